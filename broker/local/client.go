package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"keyporter/internal/hint"
	"keyporter/internal/paths"
	"keyporter/internal/peer"
)

// The causes that callers branch on; both come inside a hint.Error with the
// code Unreachable.
var (
	// ErrAgentGone means that the agent ended before a call was answered. The
	// call may have taken effect. Dial again.
	ErrAgentGone = errors.New("agent gone")
	// ErrNotRunning means that no agent listens, and that none was started.
	ErrNotRunning = errors.New("agent not running")
)

// A Client calls the agent's Broker. It is safe for concurrent use and keeps
// connections for the next call. Its methods return errors that hold a
// *hint.Error, except for the end of ctx and for the error of a function that
// the caller passed, which come back as they are.
type Client struct {
	paths paths.Paths
	http  *http.Client
	agent pong
}

var _ Broker = (*Client)(nil)

func newClient(p paths.Paths) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, p.Socket()) }
	return &Client{paths: p, http: &http.Client{
		Transport: &http.Transport{
			DialContext:         dial,
			DisableCompression:  true,
			MaxIdleConnsPerHost: 16,
			IdleConnTimeout:     90 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// dialSocket connects and checks that the listener is a process of this user,
// before a byte is sent to it.
func dialSocket(ctx context.Context, address string) (net.Conn, error) {
	c, err := connect(ctx, address)
	if err != nil {
		return nil, err
	}
	if _, err := verifiedPeer(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close closes the connections that are kept. Calls in progress go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// AgentVersion returns the version of the agent that Dial found.
func (c *Client) AgentVersion() string { return c.agent.Version }

// ping asks the agent for its version.
func (c *Client) ping(ctx context.Context) error {
	resp, err := c.send(ctx, http.MethodGet, "/ping", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := decodeOne(ctx, resp, &c.agent); err != nil {
		return err
	}
	if c.agent.API == "" {
		return strange(nil)
	}
	return nil
}

// one calls a method and returns its answer.
func (m method[In, Out]) one(ctx context.Context, c *Client, in In) (Out, error) {
	var out Out
	resp, err := c.post(ctx, m.name, in)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	return out, decodeOne(ctx, resp, &out)
}

// each calls a method and shows each value of the stream.
func (m method[In, Out]) each(ctx context.Context, c *Client, in In, show func(Out) error) error {
	resp, err := c.post(ctx, m.name, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	limit := &io.LimitedReader{R: resp.Body}
	for lines := json.NewDecoder(limit); ; {
		limit.N = maxAnswer
		var l line
		switch err := lines.Decode(&l); {
		case err == io.EOF && limit.N > 0:
			return nil
		case err != nil:
			return broken(ctx, err)
		case l.Error != nil:
			return l.Error
		}
		var out Out
		if err := json.Unmarshal(l.Value, &out); err != nil {
			return strange(nil)
		}
		if err := show(out); err != nil {
			return err
		}
	}
}

// post sends a call and returns a response that is no error.
func (c *Client) post(ctx context.Context, name string, in any) (*http.Response, error) {
	version := APIVersion
	if c.agent.API != APIVersion {
		if name != stop.name {
			return nil, otherVersion(c.agent.Version, older(APIVersion, c.agent.API))
		}
		version = c.agent.API
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, hint.New(hint.Failed, "The request to the Keyporter agent cannot be written.", "")
	}
	if len(body) > maxRequest {
		return nil, tooLarge()
	}
	return c.send(ctx, http.MethodPost, "/"+version+"/"+name, body)
}

func (c *Client) send(ctx context.Context, verb, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, verb, "http://keyporter"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("call agent: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, broken(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	h := new(hint.Error)
	if err := decodeOne(ctx, resp, h); err != nil {
		return nil, err
	}
	if h.What == "" {
		return nil, strange(nil)
	}
	return nil, h
}

func decodeOne(ctx context.Context, resp *http.Response, out any) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return broken(ctx, err)
	}
	if len(b) > maxAnswer {
		return strange(errors.New("answer too large"))
	}
	if err := json.Unmarshal(b, out); err != nil {
		return strange(nil) // err may quote the answer, and that a secret
	}
	return nil
}

// broken returns the error of a call whose connection failed with err.
func broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if _, ok := errors.AsType[*hint.Error](err); ok {
		return err
	}
	if errors.Is(err, peer.ErrOtherUser) {
		return hint.Wrap(err, hint.Failed, "Another user's program answers in place of the Keyporter agent, so it was told nothing.",
			"Set KEYPORTER_HOME to a folder that only you can write to.")
	}
	if errors.As(err, new(*json.SyntaxError)) || errors.As(err, new(*json.UnmarshalTypeError)) {
		return strange(nil)
	}
	return hint.Wrap(fmt.Errorf("%w: %v", ErrAgentGone, err), hint.Unreachable, "The Keyporter agent ended before it answered.", "Try again.")
}

// strange is the error of an answer that makes no sense.
func strange(cause error) error {
	return hint.Wrap(cause, hint.Failed, "The Keyporter agent gave an answer that cannot be read.",
		"Run keyporter stop and try again; if it stays so, install all of Keyporter in one version.")
}
