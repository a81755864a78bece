package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// An internet is all that a process in a network of its own can reach: every
// address there is leads to the servers of a test, and every name is theirs to
// resolve. So an address that a guard lets pass is connected to, and noticed.
type internet struct {
	t  *testing.T
	ca *company

	mu      sync.Mutex
	hosts   map[string]http.Handler // by name
	names   map[string][][]string   // addresses of a name, one answer after the other; the last one stays
	lookups map[string]int
	asked   []string // for which names, of all
	reached []string // to which address each connection was made
}

// inInternet runs the test that calls it in a process with a network and a mount
// namespace of its own, where it returns a new internet; elsewhere it returns nil,
// and the test is over.
func inInternet(t *testing.T) *internet {
	t.Helper()
	if os.Getenv(insideEnv) == "" {
		t.Parallel()
		outside(t)
		return nil
	}
	n := &internet{t: t, ca: newCompany(t), hosts: map[string]http.Handler{}, names: map[string][][]string{}, lookups: map[string]int{}}
	n.everythingLeadsHere()
	n.resolve()
	n.serve(443, true)
	n.serve(80, false)
	return n
}

// outside runs this test once more, inside.
func outside(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), insideEnv+"=1", programEnv+"="+program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		cmd.SysProcAttr.AmbientCaps = []uintptr{capSysAdmin, capNetAdmin, capNetBindService}
	}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in a network of its own (this needs root or user namespaces): %v\n%s", err, out)
	}
}

const capNetAdmin, capNetBindService = 12, 10 // capabilities(7)

// everythingLeadsHere makes every address one of this machine.
func (n *internet) everythingLeadsHere() {
	n.t.Helper()
	for _, args := range []string{"link set lo up", "route add local 0.0.0.0/0 dev lo", "-6 route add local ::/0 dev lo"} {
		cmd := exec.Command("ip", strings.Fields(args)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			n.t.Fatalf("ip %s: %v\n%s(apt-get install iproute2)", args, err, out)
		}
	}
}

// resolve makes this internet's DNS that of the system.
func (n *internet) resolve() {
	n.t.Helper()
	check(n.t, syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	for name, content := range map[string]string{
		"/etc/resolv.conf":   "nameserver 192.0.2.53\noptions timeout:5\n",
		"/etc/hosts":         "", // not even localhost
		"/etc/nsswitch.conf": "hosts: files dns\n",
	} {
		path, err := filepath.EvalSymlinks(name)
		if os.IsNotExist(err) && name == "/etc/nsswitch.conf" {
			continue // then it is so anyway
		}
		check(n.t, err)
		mine := given(n.t, content)
		check(n.t, os.Chmod(mine, 0o644))
		check(n.t, syscall.Mount(mine, path, "", syscall.MS_BIND, ""))
	}
	conn, err := net.ListenPacket("udp4", "192.0.2.53:53")
	check(n.t, err)
	n.t.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 2048)
		for {
			size, from, err := conn.ReadFrom(b)
			if err != nil {
				return // closed
			}
			if answer, ok := n.lookup(b[:size]); ok {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
}

// lookup answers a query. A question for IPv4 goes on to the next answer.
func (n *internet) lookup(query []byte) ([]byte, bool) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil, false
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	name := strings.TrimSuffix(q.Name.String(), ".")
	n.mu.Lock()
	n.asked = append(n.asked, name)
	answers := n.names[name]
	var addresses []string
	if len(answers) > 0 {
		at := n.lookups[name]
		if q.Type == dnsmessage.TypeA {
			n.lookups[name]++
		}
		addresses = answers[min(at, len(answers)-1)]
	} else {
		m.RCode = dnsmessage.RCodeNameError
	}
	n.mu.Unlock()
	header := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 0}
	for _, text := range addresses {
		a := netip.MustParseAddr(text)
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: a.As4()}})
		case q.Type == dnsmessage.TypeAAAA && a.Is6():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	answer, err := m.Pack()
	return answer, err == nil
}

// name says what a name resolves to: each answer in turn, then the last one.
func (n *internet) name(name string, answers ...[]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[name], n.lookups[name] = answers, 0
}

// host puts a server at a public address of its own.
func (n *internet) host(name string, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[name] = h
	n.names[name] = [][]string{{fmt.Sprintf("93.184.216.%d", len(n.hosts))}}
}

// serve listens at a port of every address there is.
func (n *internet) serve(port int, secure bool) {
	n.t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("[::]:%d", port))
	check(n.t, err)
	l = &watchedListener{l, n}
	if secure {
		var mu sync.Mutex
		certs := map[string]*tls.Certificate{}
		l = tls.NewListener(l, &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String())
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			id := hello.ServerName + " " + host
			if certs[id] == nil {
				like := &x509.Certificate{IPAddresses: []net.IP{net.ParseIP(host)}}
				if hello.ServerName != "" {
					like.DNSNames = []string{hello.ServerName}
				}
				key, cert := n.ca.issue(like)
				certs[id] = &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
			}
			return certs[id], nil
		}})
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(r.Host, ":")
		n.mu.Lock()
		h := n.hosts[name]
		n.mu.Unlock()
		w.Header().Set("Connection", "close") // so that each request is resolved anew
		if h == nil {
			http.Error(w, word+"-of-the-inside", http.StatusOK)
			return
		}
		h.ServeHTTP(w, r)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // ends with ErrServerClosed
	}()
	n.t.Cleanup(func() { _ = s.Close(); <-done })
}

// A watchedListener notes to which address each connection was made.
type watchedListener struct {
	net.Listener
	n *internet
}

func (l *watchedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.n.mu.Lock()
		l.n.reached = append(l.n.reached, c.LocalAddr().String())
		l.n.mu.Unlock()
	}
	return c, err
}

// wantPublic checks that no connection was made but to the addresses of hosts, and
// returns how many were.
func (n *internet) wantPublic(t *testing.T, what string) int {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	all := len(n.reached)
	for _, to := range n.reached {
		if !strings.HasPrefix(to, "93.184.216.") && !strings.HasPrefix(to, "[::ffff:93.184.216.") || !strings.HasSuffix(to, ":443") {
			t.Errorf("%s: a connection was made to %s", what, to)
		}
	}
	n.reached = nil
	return all
}

// traffic returns which names were looked up, and to where connections were made,
// since it was last asked.
func (n *internet) traffic() (asked, reached []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	asked, reached = n.asked, n.reached
	n.asked, n.reached = nil, nil
	return asked, reached
}

// connections is how many connections traffic has.
func (n *internet) connections() int {
	_, reached := n.traffic()
	return len(reached)
}

// home returns a home that trusts this internet's certificates.
func (n *internet) home(more ...string) *home {
	return newHome(n.t, append([]string{"SSL_CERT_FILE=" + given(n.t, pemOf("CERTIFICATE", n.ca.cert.Raw))}, more...)...)
}
