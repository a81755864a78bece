package peer

import (
	"net"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A signal may come while the kernel is asked whether the process lives; the runtime
// sends many.
func TestASignalDoesNotEndTheProcessOfAConnection(t *testing.T) {
	_, c := connected(t, net.ListenConfig{})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread, stop, stopped := unix.Gettid(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Tgkill(os.Getpid(), thread, unix.SIGURG) // as the runtime does
			}
		}
	}()
	for i := range 50_000 {
		if p, err := of(c); err != nil || p.PID != os.Getpid() {
			t.Errorf("look %d: %+v, %v, want process %d", i, p, err, os.Getpid())
			break
		}
	}
	close(stop)
	<-stopped
}
