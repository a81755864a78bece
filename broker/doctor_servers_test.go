package broker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/fakegoogle"
	"keyporter/internal/fakemcp"
)

// answering is a server that answers everything alike.
func answering(t *testing.T, status int, header ...string) string {
	return serving(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}))
}

// keyed is an MCP server behind a fixed token.
func keyed(t *testing.T, token string) string {
	return opened(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+token {
				w.Header().Set("WWW-Authenticate", "Basic")
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
}

// opened is an open MCP server with something in front.
func opened(t *testing.T, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	m, err := fakemcp.New(fakemcp.Options{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	url := serving(t, wrap(m))
	m.SetURL(strings.TrimSuffix(url, fakemcp.Path))
	t.Cleanup(m.Close)
	return url
}

// slashed serves at the path with a slash, and points there from the one without.
func slashed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != fakemcp.Path+"/" {
			http.Redirect(w, r, fakemcp.Path+"/", http.StatusTemporaryRedirect)
			return
		}
		r.URL.Path = fakemcp.Path
		next.ServeHTTP(w, r)
	})
}

func brokenServers() []diagnosis {
	at := func(url func(t *testing.T) string) func(*testing.T) *clinic {
		return func(t *testing.T) *clinic { return withServer(t, url(t), nil) }
	}
	behind := func(o fakeas.Options) func(*testing.T) *clinic {
		return at(func(t *testing.T) string { _, m := oauthServer(t, o); return m.URL() })
	}
	return []diagnosis{
		{name: "the wrong path", id: local.CheckAnswer, what: "404", do: "/mcp: keyporter set notes url=", world: at(func(t *testing.T) string {
			return fakemcp.Start(t, fakemcp.Options{Open: true}).Origin() + "/wrong"
		})},
		{name: "out of order", id: local.CheckAnswer, what: "HTTP 503", do: "later", world: at(func(t *testing.T) string { return answering(t, 503) })},
		{name: "a web page", id: local.CheckAnswer, what: "not answer like an MCP server", do: "/mcp", world: at(func(t *testing.T) string { return answering(t, 200, "Content-Type", "text/html") })},
		{name: "moved", id: local.CheckAnswer, what: "points to https://mcp.example.com/mcp", do: "url=https://mcp.example.com/mcp", world: at(func(t *testing.T) string { return answering(t, 301, "Location", "https://mcp.example.com/mcp") })},
		{name: "forbids this computer", id: local.CheckAnswer, what: "403", do: "owner", world: at(func(t *testing.T) string { return answering(t, 403) })},
		{name: "hangs up", id: local.CheckAnswer, what: "gave no answer", do: "later", world: at(func(t *testing.T) string {
			return serving(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		})},
		{name: "a slash is missing at the end", id: local.CheckAnswer, result: local.CheckNote, what: "only the slash at the end differs", do: "/mcp/", world: at(func(t *testing.T) string { return opened(t, slashed) })},

		{name: "about another server", id: local.CheckResource, what: "another resource", do: "address", world: at(func(t *testing.T) string {
			as := fakeas.Start(t, fakeas.Options{})
			return fakemcp.Start(t, fakemcp.Options{Issuer: as.Issuer(), Resource: "https://mcp.example.com/mcp"}).URL()
		})},
		{name: "not there where the server says it is", id: local.CheckResource, what: "does not say how to sign in", world: at(func(t *testing.T) string {
			return answering(t, 401, "WWW-Authenticate", `Bearer resource_metadata="/nowhere"`)
		})},
		{name: "out of order", id: local.CheckAuthServer, what: "does not describe itself", do: "later", world: at(func(t *testing.T) string {
			as, m := oauthServer(t, fakeas.Options{})
			as.Fail(fakeas.Metadata, 1000, 500)
			return m.URL()
		})},
		{name: "another issuer than was named", id: local.CheckAuthServer, what: "does not describe itself", world: behind(fakeas.Options{MetadataIssuer: "https://other.example"})},
		{name: "without PKCE", id: local.CheckAuthServer, what: "PKCE", do: "--assume-pkce", world: behind(fakeas.Options{NoPKCEMetadata: true})},
		{name: "registers nobody", id: local.CheckRegistration, what: "does not register programs", do: "client-id=ID", world: behind(fakeas.Options{NoRegistration: true})},
	}
}

func brokenTokens() []diagnosis {
	refused := func(o fakeas.Options, change func(*local.PutServer)) func(*testing.T) *clinic {
		return func(t *testing.T) *clinic {
			as := fakeas.Start(t, o)
			// Its resource ends with a slash, as FastMCP's does.
			m := fakemcp.Start(t, fakemcp.Options{Issuer: as.Issuer()})
			return signedIn(t, m.URL(), change)
		}
	}
	return []diagnosis{
		{name: "nobody has signed in", id: local.CheckGrant, what: "needs a sign-in", do: "keyporter login notes", world: func(t *testing.T) *clinic {
			_, m := oauthServer(t, fakeas.Options{})
			return withServer(t, m.URL(), nil)
		}},
		{name: "the provider ended the sign-in", id: local.CheckGrant, what: "needs a new sign-in", do: "keyporter login notes", world: func(t *testing.T) *clinic {
			as, m := oauthServer(t, fakeas.Options{})
			c := signedIn(t, m.URL(), nil)
			tok, err := c.Token(t.Context(), local.TokenRequest{Name: "notes"})
			if err != nil {
				t.Fatal(err)
			}
			as.EndGrants()
			for range 2 { // a token this young is taken for good the first time
				_, err = c.Token(t.Context(), local.TokenRequest{Name: "notes", Refused: tok.Hash})
			}
			if err == nil {
				t.Fatal("the sign-in has not ended")
			}
			return c
		}},
		{name: "the token endpoint is out of order", id: local.CheckGrant, what: "problem", world: func(t *testing.T) *clinic {
			as, m := oauthServer(t, fakeas.Options{Clients: []fakeas.Client{{ID: "ci", Secret: word + "-ci", GrantTypes: []string{"client_credentials"}}}})
			c := newClinic(t, nil)
			_, err := c.AddAccount(t.Context(), local.PutAccount{Name: "ci", Account: account.Account{Kind: account.ClientCredentials, ClientID: "ci", Issuer: as.Issuer()}, Secret: plain(word + "-ci")})
			if err != nil {
				t.Fatal(err)
			}
			c.add("notes", m.URL(), func(p *local.PutServer) { p.Offline, p.Bind, p.Server.Account = true, true, "ci" })
			as.Fail(fakeas.Token, 1000, 500)
			return c
		}},
		{name: "a fixed token is refused", id: local.CheckClaims, what: "a server that expects a JWT refuses it", do: "keyporter account rotate key --token-file FILE", world: func(t *testing.T) *clinic {
			return withStatic(t, answering(t, http.StatusUnauthorized, "WWW-Authenticate", `Bearer error="invalid_token"`))
		}},
		{name: "encrypted for want of an audience", id: local.CheckClaims, what: "encrypted", do: "keyporter set notes audience=", world: refused(fakeas.Options{TokenForm: fakeas.JWE}, nil)},
		{name: "no audience at all", id: local.CheckClaims, what: "names no audience", do: "keyporter set notes audience=", world: refused(fakeas.Options{IgnoreResource: true}, nil)},
		{name: "another audience", id: local.CheckClaims, what: "https://other.example/api", do: "keyporter set notes audience=", world: refused(fakeas.Options{}, func(p *local.PutServer) { p.Server.Resource = "https://other.example/api" })},
		{name: "the slash at the end of the audience", id: local.CheckClaims, what: "slash at the end", do: "keyporter set notes resource=", world: func(t *testing.T) *clinic {
			as := fakeas.Start(t, fakeas.Options{})
			m, err := fakemcp.New(fakemcp.Options{Issuer: as.Issuer(), Resource: "-"})
			if err != nil {
				t.Fatal(err)
			}
			m.Close()
			url := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.ServeHTTP(w, r) }))
			if m, err = fakemcp.New(fakemcp.Options{Issuer: as.Issuer(), Resource: url + "/"}); err != nil {
				t.Fatal(err)
			}
			m.SetURL(strings.TrimSuffix(url, fakemcp.Path))
			t.Cleanup(m.Close)
			return signedIn(t, url, func(p *local.PutServer) { p.Server.Resource = url })
		}},
		{name: "scopes of a Google ID token", id: local.CheckClaims, what: "Google's ID tokens never carry any", do: "required_scopes", world: googleWorld(http.StatusForbidden, `Bearer error="insufficient_scope", scope="mcp:read"`)},
		{name: "scopes of a Google ID token, unsaid", id: local.CheckClaims, what: "carry no scope", do: "required_scopes", world: googleWorld(http.StatusUnauthorized, `Bearer error="invalid_token"`)},
		{name: "the session fails", id: local.CheckRoundTrip, what: "session with notes", do: "owner", world: func(t *testing.T) *clinic {
			return withServer(t, opened(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, err := io.ReadAll(r.Body)
					if err != nil || bytes.Contains(body, []byte(`"tools/list"`)) {
						http.Error(w, "out of order", http.StatusInternalServerError)
						return
					}
					r.Body = io.NopCloser(bytes.NewReader(body))
					next.ServeHTTP(w, r)
				})
			}), nil)
		}},
	}
}

// googleWorld is a server that refuses the ID token of a service account.
func googleWorld(status int, challenge string) func(*testing.T) *clinic {
	return func(t *testing.T) *clinic {
		google, err := fakegoogle.Start(fakegoogle.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { google.Close() })
		key, err := google.NewKey("etl@example-project.iam.gserviceaccount.com")
		if err != nil {
			t.Fatal(err)
		}
		url := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(status)
		}))
		c := newClinic(t, nil)
		_, err = c.AddAccount(t.Context(), local.PutAccount{
			Name: "etl", Account: account.Account{Kind: account.GoogleKey, Audience: url}, Secret: plain(string(key)), AllowTokenURI: google.TokenURI(),
		})
		if err != nil {
			t.Fatal(err)
		}
		c.add("notes", url, func(p *local.PutServer) { p.Offline, p.Bind, p.Server.Account = true, true, "etl" })
		return c
	}
}

func brokenClients() []diagnosis {
	const config = ".config/Claude/claude_desktop_config.json"
	return []diagnosis{
		{name: "its file is broken", id: local.CheckClient, what: "line 1, column 2", do: "Mend", world: func(t *testing.T) *clinic {
			c := newClinic(t, nil)
			writeText(t, filepath.Join(c.home, config), "{oops")
			return c
		}},
		{name: "a server that is gone", id: local.CheckClient, what: "launches notes", do: "keyporter uninstall claude-desktop notes", world: func(t *testing.T) *clinic {
			c := newClinic(t, nil)
			writeText(t, filepath.Join(c.home, config), fmt.Sprintf(`{"mcpServers": {"notes": {"command": %q, "args": ["bridge", "notes"]}}}`, c.opt.Command))
			return c
		}},
		{name: "it lost what was put in", id: local.CheckClient, what: "lost notes", do: "keyporter clients repair claude-desktop", world: func(t *testing.T) *clinic {
			c := withServer(t, fakemcp.Start(t, fakemcp.Options{Open: true}).URL(), nil)
			if _, err := c.InstallClient(t.Context(), local.InstallRequest{Client: "claude-desktop"}); err != nil {
				t.Fatal(err)
			}
			writeText(t, filepath.Join(c.home, config), "{}")
			return c
		}},
		{name: "it launches a program that is gone", id: local.CheckClient, what: "/gone/keyporter, which is no longer there", do: "keyporter install claude-desktop", world: func(t *testing.T) *clinic {
			c := withServer(t, fakemcp.Start(t, fakemcp.Options{Open: true}).URL(), nil)
			writeText(t, filepath.Join(c.home, config), `{"mcpServers": {"notes": {"command": "/gone/keyporter", "args": ["bridge", "notes"]}}}`)
			return c
		}},
		{name: "no client", id: local.CheckClient, result: local.CheckNote, what: "No MCP client", do: "keyporter clients", world: func(t *testing.T) *clinic {
			empty := t.TempDir()
			return newClinic(t, func(o *Options) { o.Getenv = variables{"HOME": empty}.get })
		}},
		{name: "three bridges of one server", id: local.CheckProcesses, result: local.CheckNote, what: "3 bridges of notes", do: "quit it entirely", world: func(t *testing.T) *clinic {
			c := withServer(t, fakemcp.Start(t, fakemcp.Options{Open: true}).URL(), nil)
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error)
			for range 3 {
				go func() {
					ended <- c.Bridge(ctx, local.BridgeRequest{Server: "notes"}, func(*local.BridgeState) error { return nil })
				}()
			}
			t.Cleanup(func() {
				cancel()
				for range 3 {
					<-ended
				}
			})
			c.until("three bridges", func(st *local.State) bool { return st.Bridges == 3 })
			return c
		}},
		{name: "its program is gone", id: local.CheckAutostart, what: "is no longer there", do: "off and on", world: func(t *testing.T) *clinic {
			c := newClinic(t, nil)
			writeText(t, filepath.Join(c.home, ".config/autostart/dev.keyporter.Keyporter.desktop"), "[Desktop Entry]\nType=Application\nTryExec=/gone/keyporter-tray\n")
			return c
		}},
	}
}
