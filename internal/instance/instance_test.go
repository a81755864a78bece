package instance

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const childEnv = "KEYPORTER_TEST_INSTANCE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		i, err := Acquire(context.Background(), dir, "tray", func() {})
		if err != nil {
			os.Exit(3)
		}
		_, _ = os.Stdout.WriteString("running\n")
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the test kills it
		_ = i.Close()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestOneOfManyRunsAndShowsItself(t *testing.T) {
	dir, ctx := t.TempDir(), testContext(t)
	shown := make(chan bool, 20)
	show := func() { shown <- true }
	var wg sync.WaitGroup
	var mu sync.Mutex
	var winners []*Instance
	for range 20 {
		wg.Go(func() {
			i, err := Acquire(ctx, dir, "tray", show)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				winners = append(winners, i)
			case !errors.Is(err, ErrRuns):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(winners) != 1 || len(shown) != 19 {
		t.Fatalf("%d run and %d were shown, want 1 and 19", len(winners), len(shown))
	}
	if err := winners[0].Close(); err != nil {
		t.Error(err)
	}
	i, err := Acquire(ctx, dir, "tray", show)
	if err != nil {
		t.Fatalf("after the end of the first one: %v", err)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}

func TestOneThatWasKilledIsInNobodysWay(t *testing.T) {
	dir, ctx := t.TempDir(), testContext(t)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(ctx, dir, "tray", func() {}); !errors.Is(err, ErrRuns) {
		t.Errorf("while another process runs: %v, want ErrRuns", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	i, err := Acquire(ctx, dir, "tray", func() {})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}

func TestOnlyOneWordIsUnderstood(t *testing.T) {
	dir, ctx := t.TempDir(), testContext(t)
	i, err := Acquire(ctx, dir, "tray", func() { t.Error("it was shown") })
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"quit\n", "show me\n", "\n"} {
		c, err := net.Dial("unix", filepath.Join(dir, "tray.sock"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(text)); err != nil {
			t.Error(err)
		}
		if n, err := c.Read(make([]byte, 8)); n > 0 || err == nil {
			t.Errorf("%q was answered", text)
		}
		c.Close()
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}
