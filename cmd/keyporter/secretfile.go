package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// maxSecret is how long a file with a secret may be, in bytes.
const maxSecret = 1 << 20

// readSecret reads a file that holds a secret; "-" is stdin. One line end at its
// end does not count. A pipe that nobody writes to is waited for until ctx is
// done.
func (p *program) readSecret(ctx context.Context, path string) (secret.Plain, error) {
	b, err := typed(ctx, func() ([]byte, error) { return p.readFile(path) })
	switch {
	case ctx.Err() != nil:
		return secret.Plain{}, ctx.Err()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return secret.Plain{}, hint.Wrap(pathless(err), hint.Failed, fmt.Sprintf("The file %s cannot be read.", path), "Check its name and that it is yours.")
	case err != nil:
		return secret.Plain{}, hint.Wrap(pathless(err), hint.Failed, fmt.Sprintf("The file %s cannot be read.", path), "Check that it is a file.")
	case len(b) > maxSecret:
		return secret.Plain{}, hint.New(hint.Usage, fmt.Sprintf("The file %s is too large for a key or a token.", path), "Check its name.")
	case len(strings.TrimSpace(string(b))) == 0:
		return secret.Plain{}, hint.New(hint.Usage, fmt.Sprintf("The file %s is empty.", path), "Check its name.")
	}
	return secret.Plain{Value: secret.New(strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"))}, nil
}

// readFile reads a file, or stdin if its name is "-", as far as a secret may go
// and one byte more.
func (p *program) readFile(path string) ([]byte, error) { return p.readSome(path, maxSecret) }

func (p *program) readSome(path string, most int64) ([]byte, error) {
	r := p.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	return io.ReadAll(io.LimitReader(r, most+1))
}

// pathless takes the path, which the sentence names already, off a file error.
func pathless(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
