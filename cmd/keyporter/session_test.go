package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

func TestASilentServerIsGivenUpWithASentence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(stdin io.Reader, _ io.Writer) error {
			_, err := io.Copy(io.Discard, stdin)
			return err
		}
		err := converse(t.Context(), "sales", silent, &secret.Sent{}, func(context.Context, *mcp.ClientSession) error {
			t.Error("there is a session")
			return nil
		})
		if h := hint.Of(err); h.Code != hint.Unreachable || !strings.Contains(h.What, "sales has not answered for 30 seconds") {
			t.Errorf("error = %v", err)
		}
	})
}

// What tools, call and doctor say about a server holds none of what it was sent,
// wherever the server repeats that.
func TestAServersErrorsAreSaidWithoutWhatItWasSent(t *testing.T) {
	const token = "SECRETWORD-token"
	pieces := "SECRET\u200bWORD-to\u00adken"
	var sent secret.Sent
	sent.Add(secret.New(token))
	for name, test := range map[string]struct{ answer, want string }{
		"an error": {`"error":{"code":-32000,"message":"no: ` + pieces + `"}`, "The server answered: no: [removed]."},
		"one like ours": {`"error":{"code":-32000,"message":"","data":{"keyporter":"failed","what":"It is ` + pieces + `.","do":"Use ` + pieces + `.","detail":"` + pieces + `"}}`,
			"It is [removed]. Use [removed]. [removed]"},
		"an unknown version": {`"result":{"protocolVersion":"` + token + `","capabilities":{},"serverInfo":{"name":"s","version":"1"}}`, "[removed]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			repeats := func(stdin io.Reader, stdout io.Writer) error {
				for lines := bufio.NewScanner(stdin); lines.Scan(); {
					var request struct{ ID json.RawMessage }
					if json.Unmarshal(lines.Bytes(), &request) == nil && request.ID != nil {
						fmt.Fprintf(stdout, `{"jsonrpc":"2.0","id":%s,%s}`+"\n", request.ID, test.answer)
					}
				}
				return nil
			}
			err := converse(t.Context(), "sales", repeats, &sent, func(context.Context, *mcp.ClientSession) error { return nil })
			h := hint.Of(err)
			if text := fmt.Sprint(h.Text(), " ", h.Cause); !strings.Contains(text, test.want) || strings.Contains(fmt.Sprint(err, text), "SECRET") {
				t.Errorf("%s: %v, which is said as %q", name, err, text)
			}
		})
	}
}

func TestASentenceAroundAServersWordsIsSaidWithoutWhatItWasSent(t *testing.T) {
	var sent secret.Sent
	sent.Add(secret.New("SECRETWORD-token"))
	cause := fmt.Errorf("it said SECRET\u200bWORD-token: %w", context.Canceled)
	err := inWords(fmt.Errorf("call: %w", hint.Wrap(cause, hint.Refused, "It refuses SECRETWORD-token.", "Replace SECRETWORD-token.")), &sent)
	h := hint.Of(err)
	if text := fmt.Sprint(h.Code, ": ", h.Text(), " ", h.Cause); text != "refused: It refuses [removed]. Replace [removed]. it said [removed]: context canceled" {
		t.Errorf("it is said as %q", text)
	}
	if !errors.Is(err, context.Canceled) {
		t.Error("the cause is lost")
	}
}
