//go:build windows

// Command winprobe looks at Windows from inside, for the tests that run the
// programs in wine: the Credential Manager, access lists, processes and pipes.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/danieljoos/wincred"
	"golang.org/x/sys/windows"

	"keyporter/internal/paths"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "winprobe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: winprobe VERB ARGUMENT")
	}
	verbs := map[string]func(string) error{
		"credentials": credentials, "forget": forget, "pipe": pipe, "file": file, "kill": kill, "gone": gone,
	}
	verb := verbs[args[0]]
	if verb == nil {
		return fmt.Errorf("there is no verb %q", args[0])
	}
	return verb(args[1])
}

// A Credential is an entry of the Credential Manager, without its secret.
type Credential struct {
	Target, User string
	Size         int  // of the secret, in bytes
	Holds        bool // whether the secret has the word in it
}

// credentials lists the Credential Manager; word is looked for in the secrets.
func credentials(word string) error {
	list, err := wincred.List()
	if err != nil {
		return err
	}
	found := []Credential{}
	for _, c := range list {
		found = append(found, Credential{c.TargetName, c.UserName, len(c.CredentialBlob), bytes.Contains(c.CredentialBlob, []byte(word))})
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// forget removes an entry of the Credential Manager.
func forget(target string) error {
	c, err := wincred.GetGenericCredential(target)
	if err != nil {
		return err
	}
	return c.Delete()
}

const parts = windows.OWNER_SECURITY_INFORMATION | windows.DACL_SECURITY_INFORMATION

// pipeOf returns the name of the agent's pipe for a KEYPORTER_HOME.
func pipeOf(home string) (string, error) {
	p, err := paths.Find(func(string) string { return home })
	return p.Socket(), err
}

// pipe prints who may open the agent's pipe.
func pipe(home string) error {
	name, err := pipeOf(home)
	if err != nil {
		return err
	}
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return err
	}
	h, err := windows.CreateFile(path, windows.READ_CONTROL, 0, nil, windows.OPEN_EXISTING, windows.SECURITY_SQOS_PRESENT|windows.SECURITY_ANONYMOUS, 0)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(h)
	return describe(windows.GetSecurityInfo(h, windows.SE_KERNEL_OBJECT, parts))
}

// file prints who may do what with a file or folder.
func file(path string) error {
	return describe(windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, parts))
}

// describe prints the user's own identifier and a security descriptor.
func describe(d *windows.SECURITY_DESCRIPTOR, err error) error {
	if err != nil {
		return err
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	fmt.Println(user.User.Sid)
	fmt.Println(d)
	return nil
}

// kill ends a process as nothing else can.
func kill(pid string) error {
	n, err := strconv.ParseUint(pid, 10, 32)
	if err != nil {
		return err
	}
	// No more rights than that: the agent gives no others.
	h, err := windows.OpenProcess(windows.PROCESS_TERMINATE, false, uint32(n))
	if err != nil {
		return err
	}
	defer windows.CloseHandle(h)
	if err := windows.TerminateProcess(h, 1); err != nil {
		return err
	}
	return gone(pid)
}

// gone returns when a process has ended.
func gone(pid string) error {
	n, err := strconv.ParseUint(pid, 10, 32)
	if err != nil {
		return err
	}
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(n))
	if err == windows.ERROR_INVALID_PARAMETER {
		return nil // it has ended before
	}
	if err != nil {
		return err
	}
	defer windows.CloseHandle(h)
	_, err = windows.WaitForSingleObject(h, windows.INFINITE)
	return err
}
