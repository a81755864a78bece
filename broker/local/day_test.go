//go:build unix

package local_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyporter/bridge"
	"keyporter/broker"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/fakeas"
	"keyporter/internal/paths"
	"keyporter/internal/tally"
)

// word stands in every secret that this test makes.
const word = "SECRETWORD"

const (
	authHost = "http://127.0.0.1:7001"
	toolHost = "http://127.0.0.1:7002"
	resource = toolHost + "/mcp"
)

// A day is a long day of bridges at one agent: everything that the programs consist of,
// with connections in memory and in faked time.
type day struct {
	t     *testing.T
	net   map[string]*local.Pipes // by address
	api   *local.Pipes
	as    *fakeas.Server
	agent *local.Client // for what the user does

	fail atomic.Int32 // how many requests the MCP server is still to answer with 401 whatever the token

	slept atomic.Int64 // for how long the computer has; the wall clock went on

	mu    sync.Mutex
	conns map[net.Conn]bool // of the local API, to cut
	wires map[net.Conn]bool // to the servers, which break in sleep

	tally.Tally
	refused atomic.Int64 // requests, with 401
}

// transport connects to the servers in memory.
func (d *day) transport() *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		p := d.net[address]
		if p == nil {
			return nil, errors.New("no such host")
		}
		c, err := p.Dial(ctx)
		if err != nil {
			return nil, err
		}
		return d.note(d.wires, c), nil
	}}
}

// note returns a connection that stands in a set while it is open.
func (d *day) note(in map[net.Conn]bool, c net.Conn) net.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	in[c] = true
	return &noted{Conn: c, gone: func() { d.mu.Lock(); delete(in, c); d.mu.Unlock() }}
}

func (d *day) now() time.Time { return time.Now().Round(0).Add(time.Duration(d.slept.Load())) }

// sleep lets the computer sleep: no time passes for its programs, and when they go on
// their connections to the servers are dead.
func (d *day) sleep(took time.Duration) {
	d.slept.Add(int64(took))
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.wires {
		_ = c.Close()
	}
	clear(d.wires)
}

// serve runs an HTTP server until the test's end.
func (d *day) serve(wg *sync.WaitGroup, address string, h http.Handler) (end func()) {
	p := local.NewPipes()
	d.net[strings.TrimPrefix(address, "http://")] = p
	s := &http.Server{Handler: h}
	wg.Go(func() { _ = s.Serve(p) }) // ends with ErrServerClosed
	return func() { _ = s.Close() }
}

// dialAgent connects to the agent, so that cut finds the connection.
func (d *day) dialAgent(ctx context.Context) (net.Conn, error) {
	c, err := d.api.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return d.note(d.conns, c), nil
}

// A noted connection says when it is closed.
type noted struct {
	net.Conn
	gone func()
}

func (n *noted) Close() error { n.gone(); return n.Conn.Close() }

// cut breaks all connections to the agent.
func (d *day) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		_ = c.Close()
	}
	clear(d.conns)
}

// ServeHTTP is an MCP server of the legacy era with one tool, which says its argument
// back. It keeps nothing.
func (d *day) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/mcp" {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"resource":%q,"authorization_servers":[%q]}`, resource, authHost)
		return
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	_, err := d.as.Verify(token, resource)
	if err != nil || d.fail.Add(-1) >= 0 {
		d.refused.Add(1)
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", resource_metadata="`+toolHost+`/.well-known/oauth-protected-resource/mcp"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	var m struct {
		ID     json.RawMessage
		Method string
		Params struct{ Arguments json.RawMessage }
	}
	if json.NewDecoder(r.Body).Decode(&m) != nil || m.ID == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	result := `{}`
	switch m.Method {
	case "initialize":
		result = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}`
	case "tools/list":
		result = `{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}`
	case "tools/call":
		result = fmt.Sprintf(`{"content":[],"structuredContent":%s}`, m.Params.Arguments)
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, result)
}

// A caller is an MCP client with its bridge.
type caller struct {
	d     *day
	in    *io.PipeWriter
	lines *bufio.Reader
	next  int
}

// launch starts a bridge and greets the server.
func (d *day) launch(wg *sync.WaitGroup) *caller {
	in, toBridge := io.Pipe()
	fromBridge, out := io.Pipe()
	c := &caller{d: d, in: toBridge, lines: bufio.NewReader(fromBridge)}
	wg.Go(func() {
		err := bridge.Run(context.Background(), bridge.Options{
			Connect: func(context.Context) (bridge.Agent, error) { return local.NewClient(d.dialAgent), nil },
			Server:  "acme", Stdin: in, Stdout: out, Version: "test", Transport: d.transport(),
			Addresses: func() string { return "the same" }, Now: d.now,
		})
		if err != nil {
			d.t.Errorf("a bridge ended: %v", err)
		}
		_ = out.Close()
	})
	c.ask("initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"host","version":"1"}}`, `"name":"echo"`)
	fmt.Fprintln(c.in, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return c
}

// ask sends a request and counts how it was answered.
func (c *caller) ask(method, params, want string) {
	c.next++
	c.d.Sent.Add(1)
	if _, err := fmt.Fprintf(c.in, `{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`+"\n", c.next, method, params); err != nil {
		c.d.t.Errorf("write to a bridge: %v", err)
		return
	}
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			c.d.Lost.Add(1)
			c.d.t.Errorf("a call was lost: %v", err)
			return
		}
		var m struct {
			ID     *int
			Result json.RawMessage
		}
		switch {
		case json.Unmarshal([]byte(line), &m) == nil && m.ID == nil:
			continue // a notification
		case m.ID == nil || *m.ID != c.next || !strings.Contains(string(m.Result), want):
			c.d.Wrong.Add(1)
			c.d.t.Errorf("%s %d was answered %.300s", method, c.next, line)
		default:
			c.d.Answered.Add(1)
		}
		return
	}
}

// call calls every so often until end.
func (c *caller) call(every time.Duration, end time.Time) {
	for time.Now().Before(end) {
		<-time.After(every) // what is faked is the time that nothing happens in
		n := fmt.Sprintf(`{"n":%d}`, c.next)
		c.ask("tools/call", `{"name":"echo","arguments":`+n+`}`, n)
	}
}

// startAgent runs the agent's Broker behind the local API.
func (d *day) startAgent(wg *sync.WaitGroup, where paths.Paths) (stop func()) {
	network := d.transport()
	b, err := broker.New(broker.Options{
		Paths: where, Version: "test", HTTP: network, Poll: true, Now: d.now,
		Vault:      vault.Options{Backend: vault.Passphrase, ScryptWorkFactor: 10},
		Passphrase: func(context.Context) (secret.Value, error) { return secret.New("passphrase " + word), nil },
	})
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	wg.Go(func() {
		if err := b.Run(ctx); err != nil {
			d.t.Errorf("the agent ended: %v", err)
		}
		network.CloseIdleConnections()
	})
	wg.Go(func() {
		if err := local.ServePipes(ctx, d.api, b, local.ServeOptions{Version: "test"}); err != nil {
			d.t.Errorf("the local API ended: %v", err)
		}
	})
	d.agent = local.NewClient(d.dialAgent)
	return func() { d.agent.Close(); end() }
}

// signIn adds the server and signs in with a code, which needs no listener.
func (d *day) signIn() {
	ctx := context.Background()
	if _, err := d.agent.AddServer(ctx, local.PutServer{Name: "acme", Server: account.Server{URL: resource}}); err != nil {
		d.t.Fatal(err)
	}
	err := d.agent.SignIn(ctx, local.SignInRequest{Name: "acme", Device: true}, func(ev *local.SignInEvent) error {
		if ev.Open != "" && !d.as.ApproveDevice(ev.UserCode, "alice") {
			return errors.New("the provider does not know the code")
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// disturb makes one fault of each kind, with a pause after each.
func (d *day) disturb(pause time.Duration) {
	for _, fault := range []func(){
		func() { d.as.Fail(fakeas.Token, 1, http.StatusServiceUnavailable) },
		func() { d.fail.Store(1) },
		d.cut,
	} {
		fault()
		d.Faults.Add(1)
		<-time.After(pause)
	}
}
