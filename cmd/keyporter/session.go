package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	joining "keyporter/bridge"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// session has a session with a server that is ready: what a bridge would hold
// back until somebody signs in is an error here.
func (p *program) session(ctx context.Context, name string, f func(context.Context, *mcp.ClientSession) error) error {
	return p.ask(ctx, func(l *local.Client) error {
		if err := p.allowed(ctx, l, name, func() error { return p.ready(ctx, l, name) }); err != nil {
			return err
		}
		return p.through(ctx, name, &secret.Sent{}, f)
	})
}

// through connects to a server through a bridge in this process, with the SDK's
// own client in front of it, and runs f. sent learns what the server is sent.
func (p *program) through(ctx context.Context, name string, sent *secret.Sent, f func(context.Context, *mcp.ClientSession) error) error {
	log := p.logger()
	if p.getenv("KEYPORTER_LOG") == "" {
		log = slog.New(slog.DiscardHandler) // what fails is said once, in words
	}
	return converse(ctx, name, func(stdin io.Reader, stdout io.Writer) error {
		return joining.Run(ctx, joining.Options{Connect: p.connect, Server: name, Stdin: stdin, Stdout: stdout, Log: log, Sent: sent, Version: version})
	}, sent, f)
}

// converse runs a bridge to a server, and f with the session that goes through it. What
// the bridge has sent is taken out of what the server says is wrong.
func converse(ctx context.Context, name string, bridge func(stdin io.Reader, stdout io.Writer) error, sent *secret.Sent, f func(context.Context, *mcp.ClientSession) error) error {
	toBridge, fromClient := io.Pipe()
	toClient, fromBridge := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := bridge(toBridge, fromBridge)
		fromBridge.Close()
		toBridge.Close() // a client that still writes must not wait for a reader
		ended <- err
	}()
	client := mcp.NewClient(&mcp.Implementation{Name: "keyporter", Version: version}, nil)
	connecting, connected := within(ctx, serverPatience, name)
	s, err := client.Connect(connecting, &mcp.IOTransport{Reader: toClient, Writer: fromClient}, nil)
	if err != nil {
		err = cmp.Or(context.Cause(connecting), err)
	}
	connected()
	if err == nil {
		err = f(ctx, s)
		s.Close()
	}
	fromClient.Close()
	return errors.Join(inWords(err, sent), <-ended)
}

// serverPatience is how long a server may take for its first answer, and for the list
// of its tools. A bridge leaves that to its client; here it is a person who waits.
const serverPatience = 30 * time.Second

// within returns a context that ends after d, and says then that the server has
// not answered.
func within(ctx context.Context, d time.Duration, server string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, hint.New(hint.Unreachable, fmt.Sprintf("%s has not answered for %d seconds.", server, int(d.Seconds())),
		fmt.Sprintf("Try again later, or see keyporter doctor %s.", hint.Arg(server))))
}

// maxWords is how much of a server's words is printed, in characters.
const maxWords = 4000

// inWords gives an error that came as an answer its words: those of the bridge,
// which stand in the error's data, or those of the server. Any error comes without
// what the server was sent.
func inWords(err error, sent *secret.Sent) error {
	var answer *jsonrpc.Error
	var said *hint.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
	case errors.As(err, &said):
		h := hint.New(said.Code, sent.Quote(said.What, maxWords), sent.Quote(said.Do, maxWords))
		if said.Cause != nil {
			h.Cause = &quotedError{sent.Quote(said.Cause.Error(), maxWords), said.Cause}
		}
		return h
	default:
		return &quotedError{sent.Quote(err.Error(), maxWords), err}
	}
	var own struct {
		Keyporter hint.Code `json:"keyporter"`
		What      string    `json:"what"`
		Do        string    `json:"do"`
		Detail    string    `json:"detail"`
	}
	if json.Unmarshal(answer.Data, &own) != nil || own.What == "" {
		return hint.New(hint.Failed, fmt.Sprintf("The server answered: %s.", strings.TrimSuffix(sent.Quote(answer.Message, maxWords), ".")), "")
	}
	h := hint.New(own.Keyporter, sent.Quote(own.What, maxWords), sent.Quote(own.Do, maxWords)) // a server can write the like
	if own.Detail != "" {
		h.Cause = errors.New(sent.Quote(own.Detail, maxWords))
	}
	return h
}

// A quotedError is an error that may repeat the server's words, such as one of the SDK
// about an answer that it does not understand.
type quotedError struct {
	text string
	err  error
}

func (e *quotedError) Error() string { return e.text }
func (e *quotedError) Unwrap() error { return e.err }

// ready returns why a server cannot be used now, after trying to get a token.
func (p *program) ready(ctx context.Context, l *local.Client, name string) error {
	if _, err := l.ShowServer(ctx, local.Name{Name: name}); err != nil {
		return err
	}
	a, err := l.AskApproval(ctx, local.ApprovalQuestion{Name: name})
	switch {
	case err != nil:
		return err
	case a.State != local.ApprovalAllowed:
		return a.Refusal()
	}
	st, err := l.State(ctx)
	if err != nil {
		return err
	}
	for _, sv := range st.Servers {
		if sv.Name != cmp.Or(a.Server, name) { // another one may have the same address and account
			continue
		}
		if sv.Account != "" {
			_, err := l.Token(ctx, local.TokenRequest{Name: sv.Name})
			return err
		}
		if sv.State != local.Ready && sv.State != local.Unknown && sv.Problem != nil {
			return sv.Problem
		}
	}
	return nil
}
