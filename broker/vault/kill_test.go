package vault_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"keyporter/broker/vault"
)

// writerChild counts in the vault as fast as it can, and writes each number to
// standard output once it is durable. Each third write reserves its space first.
func writerChild(dir string) error {
	ctx := context.Background()
	f, err := vault.Open(ctx, options(dir))
	if err != nil {
		return err
	}
	n, err := count(f)
	for err == nil {
		n++
		if n%3 == 0 {
			err = f.CheckWritable(ctx)
		}
		if err == nil {
			err = f.Update(ctx, putCount(n))
		}
		if err == nil {
			_, err = fmt.Println(n)
		}
	}
	return err
}

// A writer is killed 300 times, at random points. Whatever it had reported as
// durable is there afterwards, in one piece, with the generation before it.
func TestAKilledWriterLosesNothing(t *testing.T) {
	const kills = 300
	dir := newHome(t)
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	var now, unreported, underWay, span int
	for range kills {
		reported, looks := killWriter(t, rnd, dir, span)
		span = max(span, looks)
		underWay += min(1, len(extraFiles(t, dir)))
		now = checkVault(t, dir)
		if now < reported || now > reported+1 {
			t.Fatalf("seed %d: the vault holds write %d after write %d was reported", seed, now, reported)
		}
		unreported += now - reported
	}
	t.Logf("seed %d, kills %d, updates %d, killed with files under way %d, whole but not reported %d, lost 0", seed, kills, now, underWay, unreported)
	if now < 2*kills || underWay == 0 {
		t.Errorf("the kills did not fall between the steps of writes: %d updates, %d with files under way", now, underWay)
	}
}

// killWriter starts a writer, kills it at a random point after its second write
// and returns the last number that it reported. The point is counted in looks at
// the vault's file, which must be there at each: up to span of them, or until the
// next write if span is zero.
func killWriter(t *testing.T, rnd *rand.Rand, dir string, span int) (last, looks int) {
	t.Helper()
	cmd := child(t, "writer", dir)
	var log bytes.Buffer
	cmd.Stderr = &log
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reports := make(chan string) // closed at the end of the pipe
	go func() {
		defer close(reports)
		for out := bufio.NewScanner(pipe); out.Scan(); {
			reports <- out.Text()
		}
	}()
	hear := func(line string) {
		n, err := strconv.Atoi(line)
		if err != nil || last != 0 && n != last+1 {
			t.Errorf("the writer reported %q after %d", line, last)
		}
		last = n
	}
	for range 2 { // the first is slower, because it follows the start
		line, ok := <-reports
		if !ok {
			t.Fatalf("the writer ended: %v %s", cmd.Wait(), log.String())
		}
		hear(line)
	}
	for stop := rnd.IntN(span + 1); looks < stop || span == 0; looks++ {
		if _, err := os.Lstat(options(dir).File); err != nil {
			t.Errorf("while the writer writes: %v", err)
		}
		select {
		case line, ok := <-reports:
			if !ok {
				t.Fatalf("the writer ended: %v %s", cmd.Wait(), log.String())
			}
			hear(line)
			if span == 0 {
				span = 1
			}
		default:
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for line := range reports {
		hear(line)
	}
	_ = cmd.Wait() // says that it was killed
	if cmd.ProcessState.Exited() {
		t.Fatalf("the writer ended by itself: %v %s", cmd.ProcessState, log.String())
	}
	noSecret(t, log.String())
	return last, looks
}
