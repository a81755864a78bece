package shield

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// core has nothing to do: Go's runtime asks for no crash dialogs, and Windows Error
// Reporting keeps memory only where an administrator has asked for it (LocalDumps).
func core() error { return nil }

// seen is what this user's programs may do with the process: wait for its end, end
// it, ask for its name, and read this list. "OW" stands for its owner, who could
// else change the list (S-1-3-4, owner rights).
const seen = windows.SYNCHRONIZE | windows.PROCESS_TERMINATE | windows.PROCESS_QUERY_LIMITED_INFORMATION | windows.READ_CONTROL

func memory() error {
	if err := restrict(); err != nil {
		return fmt.Errorf("hide memory from other programs: %w", err)
	}
	return nil
}

func restrict() error {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	sd, err := windows.SecurityDescriptorFromString(fmt.Sprintf("D:P(A;;%#x;;;OW)(A;;%#x;;;%s)(A;;GA;;;SY)", seen, seen, user.User.Sid))
	if err != nil {
		return err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetSecurityInfo(windows.CurrentProcess(), windows.SE_KERNEL_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
}
