package peers

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/gofrs/flock"
)

// Programs that peers are built from.
const (
	everythingServer = "github.com/modelcontextprotocol/go-sdk/conformance/everything-server"
	browse           = "keyporter/internal/peers/browse"
)

var (
	buildEverything = sync.OnceValues(func() (string, error) { return build(everythingServer) })
	buildBrowse     = sync.OnceValues(func() (string, error) { return build(browse) })
)

// environ is the environment before any test changes it: with another HOME, Go
// would have an empty cache.
var environ = os.Environ()

// build builds a Go program into .cache/peers and returns its path. Test
// binaries of several packages may do so at once: one builds, and the others
// find nothing left to do.
func build(pkg string) (string, error) {
	top, err := root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(top, ".cache", "peers")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	program := filepath.Join(dir, filepath.Base(pkg))
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	lock := flock.New(program + ".lock")
	if err := lock.Lock(); err != nil {
		return "", err
	}
	defer lock.Close()
	cmd := exec.Command("go", "build", "-o", program, pkg)
	cmd.Dir = top
	cmd.Env = append(slices.Clone(environ), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &buildError{pkg: pkg, output: string(out), err: err}
	}
	return program, nil
}

// A buildError is a peer that does not compile.
type buildError struct {
	pkg, output string
	err         error
}

func (e *buildError) Error() string { return "build " + e.pkg + ": " + e.err.Error() + "\n" + e.output }

// Browser returns the path of a program for KEYPORTER_BROWSER: it opens the URL
// that it gets as User does, as alice, up to the redirect listener. It ends
// with 0 once the last page is loaded.
func Browser(t testing.TB) string {
	t.Helper()
	program, err := buildBrowse()
	if err != nil {
		t.Fatal(err)
	}
	return program
}
