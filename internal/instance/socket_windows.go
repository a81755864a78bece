package instance

import (
	"context"
	"net"

	"github.com/Microsoft/go-winio"

	"keyporter/internal/pipe"
)

// listen makes a pipe: it needs no folder, and no path is too long for it.
func listen(path string) (net.Listener, error) { return pipe.Listen(pipe.Name(path)) }

func connect(ctx context.Context, path string) (net.Conn, error) {
	return winio.DialPipeContext(ctx, pipe.Name(path))
}
