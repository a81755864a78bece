package broker

import (
	"errors"
	"testing"

	"keyporter/broker/local"
	"keyporter/internal/fakemcp"
	"keyporter/internal/hint"
)

func TestStopTakesTokensFromBridgesAndLetsThemLeave(t *testing.T) {
	w := newWorld(t)
	mcp := fakemcp.Start(t, fakemcp.Options{Open: true})
	w.addStatic("key")
	w.add("notes", mcp.URL(), func(p *local.PutServer) { p.Server.Account = "key"; p.Bind = true })
	left := errors.New("left")
	joined, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		first := true
		ended <- w.Bridge(t.Context(), local.BridgeRequest{Server: "notes"}, func(st *local.BridgeState) error {
			if st.Status != local.Stopping {
				if first && st.Token == nil {
					t.Error("a bridge got no token to begin with")
				}
				if first {
					close(joined)
				}
				first = false
				return nil
			}
			if st.Token != nil || len(st.SecretHeaders) > 0 || st.Problem == nil || st.Problem.Code != hint.Stopped {
				t.Errorf("while stopping a bridge hears %+v", st)
			}
			if _, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"}); hint.CodeOf(err) != hint.Stopped {
				t.Errorf("a token while stopping: %v", err)
			}
			select {
			case <-w.stopped:
				t.Error("the agent did not wait for its bridge")
			default:
			}
			return left
		})
	}()
	<-joined
	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, left) {
		t.Errorf("the bridge's stream ended with %v", err)
	}
}
