package local

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func init() {
	childRoles["swapper"], childRoles["speaker"] = swapperRole, speakerRole
	childRoles["waiter"] = func() int { _, _ = io.Copy(io.Discard, os.Stdin); return 0 }
}

// swapperRole connects, and then becomes the program that its third argument names. Who
// speaks on the connection is that one, or a child of this.
func swapperRole() int {
	c, err := net.Dial("unix", os.Args[2])
	if err != nil {
		return fail(err)
	}
	fmt.Fprint(c, "GET /ping HTTP/1.1\r\nHost: keyporter\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return fail(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	f, err := c.(*net.UnixConn).File()
	if err != nil {
		return fail(err)
	}
	if os.Args[4] == "child" {
		self, err := os.Executable()
		if err != nil {
			return fail(err)
		}
		child := exec.Command(self, "speaker", "after")
		child.ExtraFiles, child.Stdout, child.Stderr = []*os.File{f}, os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			return fail(err)
		}
		return fail(syscall.Exec(os.Args[3], []string{"waiter", "waiter"}, os.Environ()))
	}
	if err := syscall.Dup3(int(f.Fd()), 3, 0); err != nil && f.Fd() != 3 {
		return fail(err)
	}
	return fail(syscall.Exec(os.Args[3], []string{"speaker", "speaker", "now"}, os.Environ()))
}

// speakerRole speaks on a connection that it was given, once its parent is another
// program than itself if it is told to wait for that.
func speakerRole() int {
	for os.Args[2] == "after" {
		own, _ := os.Readlink("/proc/self/exe")
		if above, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", os.Getppid())); above != own {
			break
		}
	}
	c, err := net.FileConn(os.NewFile(3, "connection"))
	if err != nil {
		return fail(err)
	}
	fmt.Fprint(c, "GET /ping HTTP/1.1\r\nHost: keyporter\r\nConnection: close\r\n\r\n")
	b, _ := io.ReadAll(c) // a reset is as good as an end
	fmt.Printf("%q\n", b)
	return 0
}

// A connection is its program's: what has become another program since, or a child
// that kept a copy, is not taken for the one that the system names then.
func TestAConnectionIsNotAnsweredOnceItsProcessRunsAnotherProgram(t *testing.T) {
	p := home(t)
	serve(t, p, new(fake))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(p.Runtime, "allowed")
	if out, err := exec.Command("cp", self, other).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range []struct {
		name, program, who string
		want               func(string) bool
	}{
		{"the same program once more", self, "itself", func(s string) bool { return strings.Contains(s, "200 OK") }},
		{"another program", other, "itself", func(s string) bool {
			return strings.Contains(s, "403") && strings.Contains(s, "not the one that connected")
		}},
		{"a child, below another program", other, "child", func(s string) bool { return s == "\"\"\n" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(self, "swapper", p.Socket(), c.program, c.who)
			end, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			said, err := bufio.NewReader(out).ReadString('\n')
			end.Close()
			if waited := cmd.Wait(); err != nil || waited != nil || !c.want(said) {
				t.Errorf("the agent said %s (%v, %v)", said, err, waited)
			}
		})
	}
}
