package bridge

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

// sdkServer returns a server made with the Go SDK that uses most of the protocol.
func sdkServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "sdk", Version: "1"}, nil)
	type in struct {
		A int `json:"a"`
		B int `json:"b"`
	}
	mcp.AddTool(s, &mcp.Tool{Name: "add"}, func(_ context.Context, _ *mcp.CallToolRequest, i in) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprint(i.A + i.B)}}}, nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "count"}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		for i := range 3 {
			if err := r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: float64(i)}); err != nil {
				return nil, nil, err
			}
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done"}}}, nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "ask"}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		a, err := r.Session.Elicit(ctx, &mcp.ElicitParams{Message: "Go on?", RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{}}})
		if err != nil {
			return nil, nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: a.Action}}}, nil, nil
	})
	s.AddPrompt(&mcp.Prompt{Name: "hello"}, func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: &mcp.TextContent{Text: "Hello."}}}}, nil
	})
	s.AddResource(&mcp.Resource{URI: "test://grüße", Name: "greetings"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "test://grüße", Text: "hi"}}}, nil
	})
	return s
}

// pipes joins an SDK client to a bridge and returns the client's transport.
func pipes(t *testing.T, a *fakeAgent) mcp.Transport {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- Run(t.Context(), Options{Connect: a.connect, Server: "acme", Stdin: inR, Stdout: outW, Version: "0.0"})
		outW.Close()
	}()
	t.Cleanup(func() {
		inW.Close()
		go io.Copy(io.Discard, outR)
		<-done
	})
	return &mcp.IOTransport{Reader: outR, Writer: inW}
}

// bearer lets only requests with the token through.
func bearer(h http.Handler, name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+marker+"-"+name {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func TestSDKClientWorksThroughTheBridge(t *testing.T) {
	for _, test := range []struct {
		name    string
		options *mcp.StreamableHTTPOptions
		asks    bool // the server can send requests
	}{
		{"stateful", &mcp.StreamableHTTPOptions{}, true},
		{"stateful with JSON answers", &mcp.StreamableHTTPOptions{JSONResponse: true}, false},
		{"stateless", &mcp.StreamableHTTPOptions{Stateless: true}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := sdkServer()
			url := serve(t, bearer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, test.options), "one"))
			progress := make(chan struct{}, 8)
			client := mcp.NewClient(&mcp.Implementation{Name: "host", Version: "1"}, &mcp.ClientOptions{
				ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					return &mcp.ElicitResult{Action: "accept"}, nil
				},
				ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) {
					progress <- struct{}{}
				},
			})
			ctx := t.Context()
			s, err := client.Connect(ctx, pipes(t, newAgent(url)), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			tools, err := s.ListTools(ctx, nil)
			if err != nil || len(tools.Tools) != 3 {
				t.Fatalf("ListTools: %v, %v", tools, err)
			}
			callText(t, s, &mcp.CallToolParams{Name: "add", Arguments: map[string]any{"a": 2, "b": 3}}, "5")
			if !test.options.JSONResponse {
				p := &mcp.CallToolParams{Name: "count"}
				p.SetProgressToken("p")
				callText(t, s, p, "done")
				for range 3 {
					<-progress
				}
			}
			if test.asks {
				callText(t, s, &mcp.CallToolParams{Name: "ask"}, "accept")
			}
			if r, err := s.ReadResource(ctx, &mcp.ReadResourceParams{URI: "test://grüße"}); err != nil || r.Contents[0].Text != "hi" {
				t.Errorf("ReadResource: %v, %v", r, err)
			}
			if p, err := s.GetPrompt(ctx, &mcp.GetPromptParams{Name: "hello"}); err != nil || len(p.Messages) != 1 {
				t.Errorf("GetPrompt: %v, %v", p, err)
			}
			if _, err := s.GetPrompt(ctx, &mcp.GetPromptParams{Name: "none"}); err == nil {
				t.Error("GetPrompt of an unknown prompt: no error")
			}
		})
	}
}

func callText(t *testing.T, s *mcp.ClientSession, p *mcp.CallToolParams, want string) {
	t.Helper()
	r, err := s.CallTool(t.Context(), p)
	if err != nil {
		t.Errorf("CallTool %s: %v", p.Name, err)
		return
	}
	if text, ok := r.Content[0].(*mcp.TextContent); !ok || text.Text != want {
		t.Errorf("CallTool %s: %+v, want %q", p.Name, r.Content[0], want)
	}
}

func TestSDKClientIsLedThroughTheSignIn(t *testing.T) {
	for _, test := range []struct {
		name    string
		options *mcp.StreamableHTTPOptions
		era     account.Era
		version string // that the client wants
		agreed  string
	}{
		{"legacy", &mcp.StreamableHTTPOptions{}, "", "2025-11-25", "2025-11-25"},
		{"modern client of a server nobody has seen", &mcp.StreamableHTTPOptions{Stateless: true}, "", "2026-07-28", "2026-07-28"},
		{"modern client of a legacy server nobody has seen", &mcp.StreamableHTTPOptions{}, "", "2026-07-28", "2026-07-28"},
		{"modern", &mcp.StreamableHTTPOptions{Stateless: true}, account.EraModern, "2026-07-28", "2026-07-28"},
		{"translated", &mcp.StreamableHTTPOptions{Stateless: true}, account.EraModern, "2025-06-18", "2025-06-18"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := sdkServer()
			a := newAgent(serve(t, bearer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, test.options), "one"))).missing()
			a.signIn = func(context.Context) (*local.RequestedSignIn, error) {
				a.ready("one")
				return &local.RequestedSignIn{Ready: true, Message: "Signed in."}, nil
			}
			a.state.Era = test.era
			changed := make(chan struct{}, 8)
			client := mcp.NewClient(&mcp.Implementation{Name: "host", Version: "1"}, &mcp.ClientOptions{
				ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} },
				ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					return &mcp.ElicitResult{Action: "accept"}, nil
				},
			})
			s, err := client.Connect(t.Context(), pipes(t, a), &mcp.ClientSessionOptions{ProtocolVersion: test.version})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if got := s.InitializeResult(); got.ServerInfo.Name != "acme" || got.ProtocolVersion != test.agreed {
				t.Errorf("introduced as %+v in %s", got.ServerInfo, got.ProtocolVersion)
			}
			if l, err := s.ListTools(t.Context(), nil); err != nil || len(l.Tools) != 1 || l.Tools[0].Name != "sign_in" {
				t.Fatalf("ListTools before: %+v, %v", l, err)
			}
			callText(t, s, &mcp.CallToolParams{Name: "sign_in"}, "Signed in.")
			<-changed
			if l, err := s.ListTools(t.Context(), nil); err != nil || len(l.Tools) != 3 {
				t.Fatalf("ListTools after: %+v, %v", l, err)
			}
			callText(t, s, &mcp.CallToolParams{Name: "add", Arguments: map[string]any{"a": 2, "b": 3}}, "5")
			if !test.options.Stateless {
				callText(t, s, &mcp.CallToolParams{Name: "ask"}, "accept")
			}
		})
	}
}

func TestListChangedReachesTheClientOnTheGETStream(t *testing.T) {
	server := sdkServer()
	url := serve(t, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil))
	changed := make(chan struct{}, 8)
	client := mcp.NewClient(&mcp.Implementation{Name: "host", Version: "1"}, &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} },
	})
	s, err := client.Connect(t.Context(), pipes(t, newAgent(url)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ping(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	server.RemoveTools("ask")
	<-changed
}

func TestReferenceServerWorksThroughTheBridge(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "everything-server")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/modelcontextprotocol/go-sdk/conformance/everything-server").CombinedOutput()
	if err != nil {
		t.Fatalf("build the reference server: %v\n%s", err, out)
	}
	for _, mode := range []string{"-stateless=true", "-stateless=false"} {
		t.Run(mode, func(t *testing.T) {
			addr := freeAddress(t)
			cmd := exec.Command(bin, "-http", addr, mode)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
			waitForListener(t, addr)
			client := mcp.NewClient(&mcp.Implementation{Name: "host", Version: "1"}, nil)
			s, err := client.Connect(t.Context(), pipes(t, newAgent("http://"+addr+"/")), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			n := 0
			for tool, err := range s.Tools(t.Context(), nil) {
				if err != nil {
					t.Fatal(err)
				}
				if n++; tool.Name == "" {
					t.Error("a tool without a name")
				}
			}
			if n == 0 {
				t.Fatal("no tools")
			}
			callText(t, s, &mcp.CallToolParams{Name: "test_simple_text"}, "This is a simple text response for testing.")
			if _, err := s.ListResources(t.Context(), nil); err != nil {
				t.Error(err)
			}
			if _, err := s.ListPrompts(t.Context(), nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// waitForListener waits until something accepts connections at addr.
func waitForListener(t *testing.T, addr string) {
	t.Helper()
	for t.Context().Err() == nil {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return
		}
	}
	t.Fatal("server did not start")
}
