// Package broker is the agent's heart: accounts, servers, sign-ins, tokens. It
// is the one place that opens the vault. It serves broker/local's interface and
// knows no window, no terminal and no socket.
//
// A Broker owns three kinds of goroutines: Run's own (the watch on config.json,
// the writer of state.json), one for each sign-in under way, and those of the
// token cache. Run waits for all of them.
//
// Callers make one with New, call Run in a goroutine, and serve it with
// local.Serve; RunAgent does all of that.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/audit"
	"keyporter/broker/config"
	"keyporter/broker/local"
	"keyporter/broker/policy"
	"keyporter/broker/secret"
	"keyporter/broker/token"
	"keyporter/broker/vault"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
	"keyporter/internal/network"
	"keyporter/internal/paths"
)

// Options are the settings of a Broker.
type Options struct {
	Paths   paths.Paths // Required. The folders exist.
	Version string      // Required. The program's version.

	Getenv  func(string) string // Optional. Finds MCP clients' configs; nil means that there are none.
	Command string              // Optional. Absolute path of keyporter, for MCP clients' configs.

	// Now is the wall clock alone, so that what lasts for a while lasts no longer for
	// the computer's sleep. Optional; nil is time.Now without its monotonic reading,
	// which stands still then on Linux and macOS.
	Now  func() time.Time
	Log  *slog.Logger      // Optional. nil is silence.
	PID  int               // Optional. Shown in the state.
	HTTP http.RoundTripper // Optional. In place of the network, for tests.
	// Poll looks at config.json now and then although the system could say that it
	// changed: faked time stands still while a watch waits. Optional.
	Poll bool

	// Policy reads what the organisation has fixed. Optional; nil means nothing.
	Policy func() policy.Set

	// Vault completes the options with which the vault is opened: back end,
	// keyring, work factor. Optional; its paths and its Passphrase are set by the
	// Broker.
	Vault vault.Options
	// Passphrase gets the passphrase of the vault without asking anybody, from a
	// file that the environment names. Optional.
	Passphrase func(context.Context) (secret.Value, error)

	// OpenBrowser opens a URL when the agent itself has to, in a private window
	// where there is one if private is set. Optional; nil means that there is no
	// browser.
	OpenBrowser func(ctx context.Context, url string, private bool) error
	// Notify shows a notice on the desktop when no tray is connected; click is
	// called when the user acts on it. Notices that are over are withdrawn.
	// Optional.
	Notify   func(ctx context.Context, n local.Notice, click func()) error
	Withdraw func(ctx context.Context, id string) error

	// Ask shows on the desktop that a program asks for an approval; answer is called
	// when the user decides. Optional.
	Ask func(ctx context.Context, n local.Notice, answer func(allow bool)) error
	// Program is the path of this program, whose processes ask for whoever started
	// them. Optional; empty means that each process asks for itself.
	Program string

	// Try has a session with a server through a bridge, for the doctor. Optional;
	// nil leaves that check out.
	Try func(ctx context.Context, server string) (*Tried, error)
}

// A Broker holds the accounts. Its methods are safe for concurrent use.
type Broker struct {
	opt   Options
	cache *token.Cache
	audit *audit.Log
	file  *config.File

	life  context.Context // ends when Run returns; parent of sign-ins and of the vault's opening
	end   context.CancelFunc
	tasks sync.WaitGroup // sign-ins and openings of the vault

	edits      chan struct{} // one slot: who holds it edits config.json (file) and the vault together
	behind     string        // why config.json could not be brought up to the vault; of who holds edits
	memWrites  chan struct{} // one slot: who holds it writes state.json and memWritten
	memWritten []byte
	installs   chan struct{}   // one slot: who holds it edits MCP clients' files
	keeping    chan struct{}   // one slot: who holds it writes kept answers
	transport  *http.Transport // for token requests to addresses that the user chose
	direct     *http.Transport // the same, without a proxy
	looking    chan struct{}   // one slot: who holds it reads the desktop's settings
	looked     chan struct{}   // closed when they have been read for the first time

	startedAt time.Time
	stopped   chan struct{} // closed by Stop, after the bridges have left
	stopOnce  sync.Once

	mu           sync.Mutex
	closing      bool            // no more tasks
	stopping     bool            // Stop was called: bridges are leaving
	cfg          *account.Config // replaced as a whole, never changed in place
	cfgProblem   *hint.Error
	policy       policy.Set  // replaced as a whole, never changed in place
	ordered      string      // the profile that the policy wants everybody to join, once it is known by name
	orderProblem *hint.Error // why that one is not joined
	mem          *memory
	memProblem   *hint.Error
	unsaved      *hint.Error // what could not be saved when it was tried last
	vault        *vault.File // nil until it is open
	vaultProblem *hint.Error
	opening      *opening
	passphrase   secret.Value              // from a prompt, kept while the agent runs so that it can reopen its vault
	prompted     bool                      // the passphrase came from a prompt
	problems     map[string]*hint.Error    // by account and target: why the last token could not be had
	challenges   map[string][]string       // by server: the WWW-Authenticate fields it last refused with
	refusals     map[string]*refused       // by server: the token that it last refused
	seeded       map[string]bool           // by grant: its stored access token has been given to the cache
	settling     map[string]bool           // by lineage: grants in the vault that serve nobody yet
	live         map[string]*liveGrant     // by grant: those that were renewed since the agent started
	metadata     map[string]keptMetadata   // by issuer
	attempts     map[string]*attempt       // by server or account: sign-ins that have not noted their end
	history      map[string]*signInHistory // by server
	moveChecked  map[string]string         // by server: the hash of the refused token for which its issuer was looked up
	stepUps      map[string]stepUp         // by server: sign-ins for more permissions that calls wait for
	notices      []*notice
	desktop      network.Desktop
	desktopAt    time.Time           // when it was read last
	approvals    *approvalsRecord    // as the vault has it; nil until that is open
	asks         map[string]*ask     // by approval
	sessions     map[session]bool    // allowed while the process lives
	begun        *local.AuditRecord  // of the agent's start, until the log can be sealed
	bridges      map[string]int      // by server
	lost         map[string][]string // by path of a client\'s file: servers that are gone from it
	joined       map[*joined]bool
	trays        int
	seq          uint64
	changed      chan struct{} // closed and replaced at each change
}

var _ local.Broker = (*Broker)(nil)

// New reads config.json and state.json and begins to open the vault. What is
// wrong with a file is not an error here: it is part of the State, and of the
// answers to the calls that need the file.
func New(opt Options) (*Broker, error) {
	switch {
	case opt.Paths == (paths.Paths{}):
		return nil, errors.New("broker: Options.Paths is required")
	case opt.Version == "":
		return nil, errors.New("broker: Options.Version is required")
	}
	if opt.Now == nil {
		opt.Now = func() time.Time { return time.Now().Round(0) }
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	log, err := audit.Open(audit.Options{Path: opt.Paths.Audit(), Now: opt.Now})
	var newer *audit.NewerError
	if errors.As(err, &newer) {
		return nil, hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s was written by a newer Keyporter.", newer.Path), "Update Keyporter on this computer; nothing was changed.")
	}
	if log == nil {
		return nil, err
	}
	if err != nil { // each batch of records tries again; until then tokens are given out all the same
		opt.Log.Warn("audit log not open", "err", err)
	}
	file := &config.File{Path: opt.Paths.ConfigFile(), Schema: opt.Paths.SchemaFile()}
	// Of an agent that was killed; on a read-only disk they are in nobody's way.
	for _, path := range append(file.Written(), opt.Paths.StateFile()) {
		_ = atomicfile.Leftovers(path)
	}
	_ = atomicfile.LeftoversIn(opt.Paths.Answers())
	b := &Broker{
		opt: opt, audit: log,
		file:        file,
		edits:       make(chan struct{}, 1),
		memWrites:   make(chan struct{}, 1),
		installs:    make(chan struct{}, 1),
		keeping:     make(chan struct{}, 1),
		transport:   newTransport(),
		direct:      newTransport(),
		looking:     make(chan struct{}, 1),
		looked:      make(chan struct{}),
		live:        map[string]*liveGrant{},
		metadata:    map[string]keptMetadata{},
		startedAt:   opt.Now(),
		stopped:     make(chan struct{}),
		problems:    map[string]*hint.Error{},
		challenges:  map[string][]string{},
		refusals:    map[string]*refused{},
		seeded:      map[string]bool{},
		settling:    map[string]bool{},
		attempts:    map[string]*attempt{},
		history:     map[string]*signInHistory{},
		moveChecked: map[string]string{},
		stepUps:     map[string]stepUp{},
		asks:        map[string]*ask{},
		sessions:    map[session]bool{},
		bridges:     map[string]int{},
		lost:        map[string][]string{},
		joined:      map[*joined]bool{},
		changed:     make(chan struct{}),
	}
	b.direct.Proxy, b.direct.DialContext = nil, dialer.DialContext // to where clouds keep credentials
	b.life, b.end = context.WithCancel(context.Background())
	b.cache = token.NewCache(token.CacheOptions{Now: opt.Now, Log: opt.Log, OnChange: b.tokenChanged})
	b.mem, b.memProblem = loadMemory(opt.Paths)
	b.noteUnsaved(nil)
	if opt.Policy != nil {
		b.policy = opt.Policy()
	}
	b.loadConfig()
	b.transport.Proxy = b.proxyFor
	b.lookAtDesktop()
	b.openVault()
	return b, nil
}

// loadConfig reads config.json. One that cannot be understood changes nothing;
// if nothing was read before, its last good version serves.
func (b *Broker) loadConfig() {
	cfg, err := b.file.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.opt.Log.Warn("config.json not read", "err", err)
		b.cfgProblem = hint.Of(err)
		if b.cfg != nil {
			return
		}
		if cfg, err = b.file.LoadBackup(); err != nil {
			cfg = &account.Config{}
		}
		b.cfg = cfg
		return
	}
	b.cfg, b.cfgProblem = cfg, nil
}

// Run works until ctx is done or Stop is called, then ends what is under way,
// with renewals in flight finished (four seconds at most), and closes the vault.
func (b *Broker) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, f := range []func(context.Context){b.watchConfig, b.watchClients, b.keepMemory, b.keepPolicy, b.keepLog} {
		wg.Go(func() { f(work) })
	}
	select {
	case <-ctx.Done():
	case <-b.stopped:
	}
	cancel()
	wg.Wait()
	return b.close()
}

func (b *Broker) close() error {
	limit, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	err := b.cache.Close(limit)
	b.mu.Lock()
	b.closing = true
	b.mu.Unlock()
	b.end()
	b.tasks.Wait()
	b.transport.CloseIdleConnections()
	b.direct.CloseIdleConnections()
	b.mu.Lock()
	v := b.vault
	b.vault = nil
	b.mu.Unlock()
	if err := b.keepLogEnd(limit, v); err != nil {
		b.opt.Log.Warn("end of the audit log not kept", "err", err)
	}
	err = errors.Join(err, b.saveMemory(), b.audit.Close())
	if v != nil {
		err = errors.Join(err, v.Close())
	}
	return err
}

// memoryDelay is how long state.json may lag behind what is remembered without
// being asked for (last use, number of tools).
const memoryDelay = 5 * time.Second

// keepMemory writes state.json when something changed, now and then, and notes
// what cannot be saved.
func (b *Broker) keepMemory(ctx context.Context) {
	tick := time.NewTicker(memoryDelay)
	defer tick.Stop()
	for {
		b.noteUnsaved(b.saveMemory())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// damagedLog says where the audit log was set aside since the agent started, if its
// end was damaged.
func (b *Broker) damagedLog() *hint.Error {
	aside := b.audit.SetAside()
	if aside == "" {
		return nil
	}
	return hint.New(hint.Failed, fmt.Sprintf("The end of the audit log was damaged; the file as it was is kept as %s.", aside),
		"Run keyporter log --verify to see whether records are missing, and keep that file while you find out why.")
}

// noteUnsaved keeps for the State what is wrong with state.json, or else with the
// audit log, and forgets it when it is over.
func (b *Broker) noteUnsaved(err error) {
	var problem *hint.Error
	if err != nil {
		problem = hint.Of(err)
	} else {
		problem = b.logProblem()
	}
	b.mu.Lock()
	same := problem == nil && b.unsaved == nil || problem != nil && b.unsaved != nil && problem.Text() == b.unsaved.Text()
	b.mu.Unlock()
	if same {
		return
	}
	b.update(func() { b.unsaved = problem })
	if problem != nil {
		b.opt.Log.Warn("not saved", "err", problem)
	}
}

// update runs f under the lock and tells everybody who watches.
func (b *Broker) update(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f != nil {
		f()
	}
	b.seq++
	close(b.changed)
	b.changed = make(chan struct{})
}

// news returns a channel that is closed at the next change.
func (b *Broker) news() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// config returns the configuration, a value that is never changed in place.
func (b *Broker) config() *account.Config {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cfg
}

// lookup finds a server by name, or by URL if name is one.
func lookupServer(cfg *account.Config, name string) (*account.Server, error) {
	if s := cfg.Servers[name]; s != nil {
		return s, nil
	}
	for _, n := range cfg.ServerNames() {
		if s := cfg.Servers[n]; s.URL == name {
			return s, nil
		}
	}
	if isURL(name) {
		return nil, hint.New(hint.NotFound, fmt.Sprintf("No server with the address %s was added.", clip(name)),
			"Add it first: keyporter add NAME "+clip(name))
	}
	return nil, hint.New(hint.NotFound, fmt.Sprintf("There is no server named %q.", clip(name)),
		"See keyporter list, or add it: keyporter add "+quoteArg(clip(name))+" URL")
}

func lookupAccount(cfg *account.Config, name string) (*account.Account, error) {
	if a := cfg.Accounts[name]; a != nil {
		return a, nil
	}
	return nil, hint.New(hint.NotFound, fmt.Sprintf("There is no account named %q.", clip(name)), "See keyporter account list.")
}
