package vault_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"filippo.io/age"

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

// kills is how many writers TestAKilledWriterLosesNothing kills.
const kills = 300

// A writer is killed at random points. Whatever it had reported as durable is
// there afterwards, in one piece, with the generation before it.
func TestAKilledWriterLosesNothing(t *testing.T) {
	dir := newHome(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var first, unreported, leftovers, span int
	for range kills {
		n, observed := killWriter(t, rnd, dir, span)
		span = max(span, observed)
		if first == 0 {
			first = n
		}
		leftovers += min(1, len(extraFiles(t, dir)))
		now := checkVault(t, dir)
		if now < n || now > n+1 {
			t.Fatalf("seed %d: the vault holds write %d after write %d was reported", seed, now, n)
		}
		unreported += now - n
	}
	last := checkVault(t, dir)
	t.Logf("kills %d, updates %d, killed with files under way %d, whole but not reported %d, lost 0", kills, last, leftovers, unreported)
	if last < kills || leftovers == 0 || last == first {
		t.Errorf("the kills did not fall between the steps of writes: %d updates, %d with files under way", last, leftovers)
	}
}

// killWriter starts a writer, kills it at a random point after its second write
// and returns the last number that it reported. The point is counted in looks at
// the vault's file, which must be there in each: up to span of them, as many as
// there were during a write so far.
func killWriter(t *testing.T, rnd *rand.Rand, dir string, span int) (last, observed int) {
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
	out := bufio.NewScanner(pipe)
	reports := make(chan string) // closed at the end of the pipe
	go func() {
		defer close(reports)
		for out.Scan() {
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
		if line, ok := <-reports; ok {
			hear(line)
		}
	}
	looks := rnd.IntN(span + 1)
	for observed < looks || span == 0 {
		if _, err := os.Lstat(options(dir).File); err != nil {
			t.Fatalf("while the writer writes: %v", err)
		}
		observed++
		select {
		case line, ok := <-reports:
			if !ok {
				t.Fatalf("the writer ended: %s", log.String())
			}
			hear(line)
			if span == 0 {
				looks, span = 0, observed
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
	return last, observed
}

// extraFiles returns what is in the folder beside the two generations.
func extraFiles(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	var extra []string
	for _, e := range entries {
		if e.Name() != "vault.age" && e.Name() != "vault.age.prev" {
			extra = append(extra, e.Name())
		}
	}
	return extra
}

// checkVault opens the vault in dir and returns the number that it holds. What
// killed writers left must be gone, and the previous generation be whole: of the
// write before, or, if the kill fell between the two renames, of the same one.
func checkVault(t *testing.T, dir string) int {
	t.Helper()
	f, err := vault.Open(t.Context(), options(dir))
	if err != nil {
		t.Fatalf("open after a kill: %v", err)
	}
	defer f.Close()
	n, err := count(f)
	if err != nil {
		t.Fatalf("after a kill: %v", err)
	}
	if extra := extraFiles(t, dir); extra != nil {
		t.Errorf("files are left: %q", extra)
	}
	prev, err := countIn(options(dir).Previous, dir)
	if err != nil || prev != n-1 && prev != n {
		t.Fatalf("previous generation: write %d, %v; want write %d or %d", prev, err, n-1, n)
	}
	return n
}

// countIn decrypts a generation with nothing but age and the stored identity,
// and returns the number in it.
func countIn(path, dir string) (int, error) {
	key, err := os.ReadFile(filepath.Join(dir, "keyring"))
	if err != nil {
		return 0, err
	}
	id, err := age.ParseHybridIdentity(string(key))
	if err != nil {
		return 0, errors.New("the stored identity cannot be read")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	r, err := age.Decrypt(bytes.NewReader(data), id)
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	var doc struct{ Records records }
	if err := json.Unmarshal(text, &doc); err != nil {
		return 0, fmt.Errorf("%s is not a document", strings.TrimPrefix(path, dir))
	}
	return count(doc.Records)
}

// records are those of a document that is not opened as a vault.
type records map[string]json.RawMessage

func (r records) Get(key string) (json.RawMessage, bool) { raw, ok := r[key]; return raw, ok }
