package main

import (
	"context"
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
