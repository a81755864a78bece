package install

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// lock waits until nobody else edits files in dir. A folder cannot be locked
// here, so that a file of the user's temporary folder, named after it, is.
func lock(dir string) (release func(), err error) {
	sum := sha256.Sum256([]byte(strings.ToLower(filepath.Clean(dir))))
	l := flock.New(filepath.Join(os.TempDir(), "keyporter-install-"+hex.EncodeToString(sum[:8])+".lock"))
	if err := l.Lock(); err != nil {
		return nil, err
	}
	return func() { _ = l.Close() }, nil // the process is done with it either way
}
