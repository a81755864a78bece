package broker

import (
	"context"
	"errors"
	"testing"

	"keyporter/broker/local"
	"keyporter/broker/secret"
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

// On a busy computer it said "has not ended yet" instead.
func TestStopWaitsForTheVaultThatIsBeingMade(t *testing.T) {
	asked := make(chan struct{})
	w := newWorldWith(t, func(o *Options) {
		o.Vault.ScryptWorkFactor = 16 // takes a moment, and cannot be given up
		o.Passphrase = func(context.Context) (secret.Value, error) {
			close(asked)
			return secret.New("passphrase " + word), nil
		}
	})
	<-asked
	o := w.openVault()
	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-o.done:
	default:
		t.Error("Stop returned while the vault was being made")
	}
	if again := w.openVault(); again != o {
		<-again.done // or this test would not end: none begins any more
	}
}

// Whoever waits for it hears that Keyporter stops.
func TestStopDoesNotWaitForAPassphraseThatDoesNotCome(t *testing.T) {
	asked, written := make(chan struct{}), make(chan struct{})
	defer close(written)
	w := newWorldWith(t, func(o *Options) {
		o.Passphrase = func(context.Context) (secret.Value, error) { // as a pipe is read
			close(asked)
			<-written
			return secret.Value{}, errors.New("nobody wrote")
		}
	})
	<-asked
	waits := make(chan error, 1)
	go func() {
		_, err := w.openedVault(t.Context())
		waits <- err
	}()
	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-waits; hint.CodeOf(err) != hint.Stopped || hint.Of(err).What != "Keyporter is stopping." {
		t.Errorf("who waits for the vault reads %q", hint.Of(err).Text())
	}
	w.stop()
}
