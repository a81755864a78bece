// Package pipe listens on named pipes of Windows that one user alone may open.
// They are what sockets in a user's folder are elsewhere: a pipe's name follows
// from a path, but it is not a file, and no path is too long for it.
package pipe

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"path/filepath"
	"strings"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"
)

// Name returns the name of the pipe for a path.
func Name(path string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(filepath.Clean(path))))
	return `\\.\pipe\keyporter-` + hex.EncodeToString(sum[:12])
}

// Listen makes a pipe that this user alone may open, from this computer only.
// It fails if a pipe of that name is there.
func Listen(name string) (net.Listener, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	// Owner and full access: this user. Protected: nothing is inherited.
	sid := user.User.Sid.String()
	return winio.ListenPipe(name, &winio.PipeConfig{SecurityDescriptor: "O:" + sid + "D:P(A;;GA;;;" + sid + ")"})
}
