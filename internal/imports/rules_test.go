package imports

// A rule says what some packages must not depend on, and why.
type rule struct {
	of     []string // whom it binds; see matches
	except []string // packages of these that it does not bind
	not    []string // what they must not reach
	direct bool     // only their own import lines count, not what those bring along
	tests  bool     // the import lines of their tests count too
	reason string
}

// An allowlist says the only packages beyond the standard library that some
// packages may import themselves.
type allowlist struct {
	of     []string
	only   []string
	reason string
}

// engine is what holds or makes tokens: only the agent has it.
var engine = []string{
	"keyporter/broker", "keyporter/broker/vault/...", "keyporter/broker/source/...",
	"filippo.io/age/...", "github.com/zalando/go-keyring",
}

// fakes are servers that answer as tests want, other users, and made-up states.
var fakes = []string{"keyporter/internal/fakeas/...", "keyporter/internal/fakemcp/...", "keyporter/internal/fakegoogle/...", "keyporter/internal/fakevault/...", "keyporter/internal/peers/...", "keyporter/internal/peer/peertest", "keyporter/app/apptest"}

// pure are the packages that build without a C compiler and a display.
var pure = []string{"keyporter/broker/...", "keyporter/bridge/...", "keyporter/cmd/keyporter", "keyporter/cmd/keyporter-demo", "keyporter/internal/...", "keyporter/assets/..."}

var rules = []rule{
	{
		of:     append([]string{"keyporter/app/view/..."}, pure...),
		not:    []string{"fyne.io/..."},
		reason: "the agent, the bridge and the command line run without a display, and the state shown in windows is tested without one",
	},
	{
		of:     []string{"keyporter/bridge/..."},
		not:    engine,
		reason: "a bridge cannot open the vault: it asks the agent for the token of its one server",
	},
	{
		of:     []string{"keyporter/bridge/...", "keyporter/app/..."},
		not:    []string{"keyporter/broker/config/...", "keyporter/broker/audit/..."},
		reason: "only the agent reads and writes the files; the others ask it, so there is one owner",
	},
	{
		of:     []string{"keyporter/app/...", "keyporter/cmd/keyporter-tray"},
		not:    engine,
		reason: "the tray app shows what the agent says and makes no tokens itself",
	},
	{
		of:     []string{"keyporter/app/view/...", "keyporter/app/tray/..."},
		not:    []string{"keyporter/broker/secret", "keyporter/broker/token/...", "keyporter/broker/oauth/..."},
		direct: true,
		reason: "view code cannot reach a secret: nothing that it could print holds one",
	},
	{
		of:     []string{"keyporter/app/view/..."},
		not:    []string{"keyporter/app"},
		reason: "rows and labels are made of state alone, so the arrow goes from windows to view",
	},
	{
		of:     []string{"keyporter/cmd/keyporter"},
		not:    []string{"keyporter/app/..."},
		reason: "the command line works where no desktop is installed",
	},
	{
		of:     []string{"keyporter/broker/...", "keyporter/bridge/...", "keyporter/app/...", "keyporter/cmd/keyporter", "keyporter/cmd/keyporter-tray"},
		not:    fakes,
		reason: "a server made for tests has no place in a program that holds credentials; the demo is a program of its own",
	},
	{
		of:     []string{"keyporter/broker/...", "keyporter/bridge/..."},
		not:    []string{"keyporter/cmd/...", "keyporter/app/..."},
		tests:  true,
		reason: "imports point one way: programs know packages",
	},
	{
		of:     []string{"keyporter/broker/local/...", "keyporter/broker/token/...", "keyporter/broker/oauth/...", "keyporter/broker/loopback/...", "keyporter/broker/vault/...", "keyporter/broker/config/...", "keyporter/broker/audit/..."},
		not:    []string{"keyporter/broker", "keyporter/bridge/..."},
		reason: "broker puts these together, so they do not know it; broker/local declares the interface that broker fits",
	},
	{
		of:     []string{"keyporter/broker/local/..."},
		not:    engine,
		reason: "the client half of the local API is linked into the bridge and the tray app",
	},
	{
		of:     []string{"keyporter/broker/source/..."},
		not:    []string{"keyporter/broker", "keyporter/broker/vault/...", "keyporter/broker/local/...", "filippo.io/age/...", "github.com/zalando/go-keyring"},
		reason: "a source gets its secret in its options and gives a rotated refresh token to a function; it does not know where they rest",
	},
	{
		of:     []string{"keyporter/broker/source/..."},
		except: []string{"keyporter/broker/source/authcode/..."},
		not:    []string{"keyporter/broker/loopback/..."},
		reason: "only a sign-in in the browser needs a redirect listener",
	},
	{
		of:     []string{"keyporter/broker/token/..."},
		not:    []string{"keyporter/broker/oauth/...", "keyporter/broker/vault/...", "golang.org/x/oauth2/..."},
		reason: "the cache is the same for every way to a token and knows none of them",
	},
	{
		of:     []string{"keyporter/broker/vault/..."},
		not:    []string{"keyporter/broker/token/...", "keyporter/broker/oauth/...", "keyporter/broker/account/...", "net/http"},
		reason: "secrets at rest know neither their use nor the network",
	},
	{
		of:     []string{"keyporter/..."},
		except: []string{"keyporter/internal/peers/..."},
		not:    []string{"testing/...", "net/http/httptest", "github.com/rogpeppe/go-internal/...", "go.uber.org/goleak"},
		direct: true,
		reason: "test code stays in test files; only the package that starts test peers is for tests as a whole",
	},
}

var allowlists = []allowlist{
	{
		of:     []string{"keyporter/broker/account", "keyporter/broker/secret"},
		only:   []string{"keyporter/internal/hint", "keyporter/internal/lazy"},
		reason: "records and secrets are read by everything, so they bring nothing along",
	},
	{
		of:     []string{"keyporter/internal/hint"},
		reason: "every package may have words for people without new dependencies",
	},
	{
		of:     []string{"keyporter/bridge/translate"},
		only:   []string{"keyporter/bridge/frame", "keyporter/internal/hint"},
		reason: "translating is about messages alone: what carries them and what makes them welcome is the bridge's",
	},
	{
		of:     []string{"keyporter/cmd/keyporter-tray"},
		only:   []string{"keyporter/app/...", "keyporter/assets/...", "keyporter/internal/..."},
		reason: "the program starts app and does nothing else",
	},
}
