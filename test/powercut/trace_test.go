//go:build linux

package powercut

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A call is one call of the system that a recorded process made and that
// succeeded, or a mark.
type call struct {
	name string
	args []string // strings are decoded
	ret  int64
}

// markFolder is where no folder is: making one in it fails, and is a mark.
const markFolder = "/powercut-mark/"

// mark puts a mark into the recording: what was called before it has returned.
func mark(name string) { _ = os.Mkdir(markFolder+name, 0o700) }

// traced are the calls that change files, and those that say which file is meant.
const traced = "openat,open,creat,close,dup,dup3,fcntl,write,pwrite64,writev,pwritev,ftruncate,truncate,fallocate,copy_file_range,sendfile," +
	"fsync,fdatasync,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,lseek"

// record runs a job of this test binary and returns the calls that it made.
func record(t *testing.T, job, dir string) []call {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("This test needs strace: apt-get install strace")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "strace")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "--seccomp-bpf", "-qq", "-xx", "-s", "16777216", "-e", "signal=none", "-e", "trace="+traced, "-o", log, self)
	cmd.Env = append(os.Environ(), jobEnv+"="+job, dirEnv+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the recorded process: %v\n%s", err, out)
	}
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return parseTrace(t, f)
}

// parseTrace reads what strace wrote. A call that another thread's stands in the
// middle of counts where it returned.
func parseTrace(t *testing.T, f *os.File) []call {
	t.Helper()
	var all []call
	begun := map[string]string{} // by thread
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 128<<20)
	for lines.Scan() {
		thread, text, _ := strings.Cut(lines.Text(), " ")
		text = strings.TrimSpace(text)
		if head, ok := strings.CutSuffix(text, " <unfinished ...>"); ok {
			begun[thread] = head
			continue
		}
		if rest, ok := strings.CutPrefix(text, "<... "); ok {
			_, rest, _ = strings.Cut(rest, " resumed>")
			text = begun[thread] + rest
		}
		c, ok := parseCall(text)
		if !ok {
			continue // how a thread ended, or a call that failed
		}
		all = append(all, c)
	}
	if err := lines.Err(); err != nil || len(all) == 0 {
		t.Fatalf("%d calls were recorded, %v", len(all), err)
	}
	return all
}

func parseCall(text string) (call, bool) {
	at := strings.LastIndex(text, ") ")
	open := strings.IndexByte(text, '(')
	if at < 0 || open < 0 || open > at {
		return call{}, false
	}
	c := call{name: text[:open]}
	for arg := range strings.SplitSeq(text[open+1:at], ", ") { // strings are in hexadecimal, so there is none in them
		c.args = append(c.args, decoded(arg))
	}
	result := strings.Fields(strings.TrimLeft(text[at+1:], " ="))
	if len(result) == 0 {
		return call{}, false
	}
	var err error
	c.ret, err = strconv.ParseInt(result[0], 0, 64)
	isMark := strings.HasPrefix(c.name, "mkdir") && strings.HasPrefix(c.path(), markFolder)
	return c, err == nil && (c.ret >= 0 || isMark)
}

// decoded is an argument; of a string, its bytes.
func decoded(arg string) string {
	text, ok := strings.CutPrefix(arg, `"`)
	if !ok {
		return arg
	}
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSuffix(text, `"`), `\x`, ""))
	if err != nil {
		panic(fmt.Sprintf("strace wrote %.60q", arg))
	}
	return string(b)
}

// path is the path that a call is about, whether or not a folder stands before it.
func (c *call) path() string {
	if strings.HasSuffix(c.name, "at") {
		return c.args[1]
	}
	return c.args[0]
}

func (c *call) number(i int) int64 {
	n, err := strconv.ParseInt(c.args[i], 0, 64)
	if err != nil {
		panic(fmt.Sprintf("%s: argument %d is %.40q", c.name, i, c.args[i]))
	}
	return n
}
