package streamable

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// unzip makes the body of an answer plain that was compressed though the request
// asked for none of that (RFC 9110 section 12.5.3): some gateways do it all the
// same. A body in another coding stays as it is, and is no message.
func unzip(resp *http.Response) {
	switch strings.ToLower(resp.Header.Get("Content-Encoding")) {
	case "gzip", "x-gzip":
	default:
		return
	}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength = -1
	resp.Body = &zipped{body: resp.Body}
}

// A zipped is a compressed body. It begins to read when it is read: the header of
// an answer may come long before its first byte.
type zipped struct {
	body  io.ReadCloser
	plain *gzip.Reader
	err   error // of the beginning
}

func (z *zipped) Read(p []byte) (int, error) {
	if z.plain == nil && z.err == nil {
		z.plain, z.err = gzip.NewReader(z.body)
	}
	if z.err != nil {
		return 0, z.err
	}
	return z.plain.Read(p)
}

// Close may be called while a Read is under way, which it breaks off.
func (z *zipped) Close() error { return z.body.Close() }
