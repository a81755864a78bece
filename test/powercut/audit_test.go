//go:build linux

package powercut

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyporter/broker/audit"
	"keyporter/broker/local"
	"keyporter/broker/secret"
)

// logKey is the key of the recorded log: 32 bytes, which only these tests have.
var logKey = secret.New(strings.Repeat("A", 43))

func openLog(dir string) (*audit.Log, error) {
	return audit.Open(audit.Options{Path: filepath.Join(dir, "audit.jsonl"), Size: 1000, Keep: 2})
}

// writeLog is the recorded process: it makes records durable now and then, and
// rotates the file several times.
func writeLog(dir string) error {
	l, err := openLog(dir)
	if err != nil {
		return err
	}
	if err := l.Begin(logKey, audit.Point{}, audit.Loss{}); err != nil {
		return err
	}
	mark("0")
	for n := range 24 {
		if err := l.Append(local.AuditRecord{Time: time.Unix(int64(n), 0), Event: "call", Server: "notes", Outcome: "ok"}); err != nil {
			return err
		}
		if n%3 != 2 {
			continue
		}
		if err := l.Sync(); err != nil {
			return err
		}
		mark(fmt.Sprint(n + 1))
	}
	err = l.Close()
	mark("24 closed")
	return err
}

// What was made durable of the log is there after a power cut, and the log does not
// call it an attack.
func TestAPowerCutIsNoAttackOnTheLog(t *testing.T) {
	root := folder(t)
	all, _, _ := cuts(t, root, record(t, "log", root))
	t.Logf("%d conditions", len(all))
	rotated := 0
	for _, c := range chosen(t, all) {
		if c.before == "" {
			continue // there is no log yet
		}
		c.restore(t, root)
		if c.tree[filepath.Join(root, "audit.jsonl.2")].bytes != "" {
			rotated++
		}
		durable, err := strconv.Atoi(strings.Fields(c.before)[0])
		if err == nil {
			err = checkLog(root, uint64(durable))
		}
		if err != nil {
			t.Errorf("after %s in %q, %s: %v", c.at, c.after, c.how, err)
		}
	}
	if rotated == 0 {
		t.Error("no log was rotated twice")
	}
}

func checkLog(root string, durable uint64) error {
	l, err := openLog(root)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Begin(logKey, audit.Point{First: 1}, audit.Loss{}); err != nil { // as the vault knows it from the first start on
		return err
	}
	v, err := l.Verify(context.Background())
	if err != nil {
		return err
	}
	if end, _ := l.End(); end.Seq < durable {
		return fmt.Errorf("the log ends with record %d, and %d were durable", end.Seq, durable)
	}
	if len(v.Broken) > 0 {
		return fmt.Errorf("log --verify says %+v", v.Broken)
	}
	return nil
}
