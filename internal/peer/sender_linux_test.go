package peer

import (
	"net"
	"os"
	"testing"
)

// The agent's log was full of the panics of readers that got -1.
func TestAConnectionThatBreaksIsReadAsOneThatBreaks(t *testing.T) {
	own, c := connected(t, net.ListenConfig{Control: NameSenders})
	only := Only(c, os.Getpid())
	// What is not read is lost with the connection, and the reader is told.
	if _, err := c.Write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
	own.Close()
	if n, err := only.Read(make([]byte, 8)); n != 0 || err == nil {
		t.Errorf("Read = %d, %v", n, err)
	}
}
