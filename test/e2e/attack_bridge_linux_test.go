package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// The host stops reading, as one that hangs does, and closes its end of the input
// afterwards: nobody ever takes the answers that came.
func TestABridgeWhoseHostStoppedReadingEndsWithItsInput(t *testing.T) {
	t.Parallel()
	h, s := rawHome(t)
	cmd, _ := h.command([]string{"bridge", "acme"}, nil)
	in, err := cmd.StdinPipe()
	check(t, err)
	read, write, err := os.Pipe()
	check(t, err)
	defer read.Close()
	cmd.Stdout = write
	check(t, cmd.Start())
	check(t, write.Close())
	const calls, size = 8, 1 << 20 // more than a pipe holds
	for id := range calls {
		params, err := json.Marshal(map[string]any{"name": "answer", "arguments": map[string]any{"size": size}, "_meta": modernMeta})
		check(t, err)
		_, err = fmt.Fprintf(in, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":%s}`+"\n", id, params)
		check(t, err)
	}
	for range calls {
		wants(t, "a call", s.came)
	}
	check(t, in.Close())
	until(t, "the bridge's end", func() bool { return !alive(cmd.Process.Pid) })
	_ = cmd.Wait() // the exit code says it
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	// It was stuck in the middle of an answer: what came is a part of one, or some and a part.
	for out := bufio.NewReader(read); ; {
		line, err := out.ReadString('\n')
		if errors.Is(err, io.EOF) {
			if line == "" {
				t.Error("all answers were taken")
			}
			break
		}
		check(t, err)
		if !json.Valid([]byte(line)) || !strings.Contains(line, `"result"`) {
			t.Errorf("the bridge wrote what is no answer: %.100q", line)
		}
	}
}
