//go:build unix

package local

import (
	"context"
	"encoding/json"
	"reflect"
	"sync"
	"testing"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/secret"
)

const secretWord = "SECRETWORD"

// A fake is a Broker that remembers the calls, answers with filled values, and
// lets a test replace what it needs.
type fake struct {
	mu    sync.Mutex
	calls []fakeCall

	onState func(context.Context) (*State, error)
	onWatch func(context.Context, func(*State) error) error
	onToken func(context.Context, TokenRequest) (*Token, error)
	onPause func(context.Context) error
	onStop  func()
}

type fakeCall struct {
	method string
	arg    any
}

func (f *fake) note(method string, arg any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fakeCall{method, arg})
}

func (f *fake) last() fakeCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.calls) == 0 {
		return fakeCall{}
	}
	return f.calls[len(f.calls)-1]
}

func called[Out any](f *fake, method string, arg any) (Out, error) {
	f.note(method, arg)
	var out Out
	fill(reflect.ValueOf(&out).Elem())
	return out, nil
}

// streamed shows two values.
func streamed[Out any](f *fake, method string, arg any, show func(Out) error) error {
	for range 2 {
		out, _ := called[Out](f, method, arg)
		if err := show(out); err != nil {
			return err
		}
	}
	return nil
}

func (f *fake) State(ctx context.Context) (*State, error) {
	if f.onState != nil {
		return f.onState(ctx)
	}
	return called[*State](f, "State", nil)
}

func (f *fake) Watch(ctx context.Context, w Watch, show func(*State) error) error {
	if f.onWatch != nil {
		return f.onWatch(ctx, show)
	}
	return streamed(f, "Watch", w, show)
}

func (f *fake) Probe(_ context.Context, r ProbeRequest) (*Probed, error) {
	return called[*Probed](f, "Probe", r)
}

func (f *fake) ShowServer(_ context.Context, n Name) (*account.Server, error) {
	return called[*account.Server](f, "ShowServer", n)
}

func (f *fake) AddServer(_ context.Context, s PutServer) (*AddedServer, error) {
	return called[*AddedServer](f, "AddServer", s)
}

func (f *fake) SetServer(_ context.Context, s PutServer) (*AddedServer, error) {
	return called[*AddedServer](f, "SetServer", s)
}

func (f *fake) RenameServer(_ context.Context, r Rename) error {
	f.note("RenameServer", r)
	return nil
}

func (f *fake) RemoveServer(_ context.Context, n Name) error { f.note("RemoveServer", n); return nil }

func (f *fake) ShowAccount(_ context.Context, n Name) (*account.Account, error) {
	return called[*account.Account](f, "ShowAccount", n)
}

func (f *fake) AddAccount(_ context.Context, a PutAccount) (*AccountState, error) {
	return called[*AccountState](f, "AddAccount", a)
}

func (f *fake) RotateAccount(_ context.Context, a PutAccount) (*AccountState, error) {
	return called[*AccountState](f, "RotateAccount", a)
}

func (f *fake) RemoveAccount(_ context.Context, n Name) (*RemovedAccount, error) {
	return called[*RemovedAccount](f, "RemoveAccount", n)
}

func (f *fake) SignIn(_ context.Context, r SignInRequest, tell func(*SignInEvent) error) error {
	return streamed(f, "SignIn", r, tell)
}

func (f *fake) PasteRedirect(_ context.Context, p PastedRedirect) error {
	f.note("PasteRedirect", p)
	return nil
}

func (f *fake) CancelSignIn(_ context.Context, n Name) error { f.note("CancelSignIn", n); return nil }

func (f *fake) SignOut(_ context.Context, r SignOutRequest) error { f.note("SignOut", r); return nil }

func (f *fake) Token(ctx context.Context, r TokenRequest) (*Token, error) {
	if f.onToken != nil {
		return f.onToken(ctx, r)
	}
	return called[*Token](f, "Token", r)
}

func (f *fake) Bridge(_ context.Context, r BridgeRequest, show func(*BridgeState) error) error {
	return streamed(f, "Bridge", r, show)
}

func (f *fake) AwaitReady(_ context.Context, r AwaitRequest) error {
	f.note("AwaitReady", r)
	return nil
}

func (f *fake) Inspect(_ context.Context, r InspectRequest) (*Inspection, error) {
	return called[*Inspection](f, "Inspect", r)
}

func (f *fake) Sign(_ context.Context, r SignRequest) (*Signature, error) {
	return called[*Signature](f, "Sign", r)
}

func (f *fake) Prove(_ context.Context, r ProveRequest) (*Proof, error) {
	return called[*Proof](f, "Prove", r)
}

func (f *fake) StepUp(_ context.Context, r StepUpRequest) (*Token, error) {
	return called[*Token](f, "StepUp", r)
}

func (f *fake) RequestSignIn(_ context.Context, r AwaitRequest) (*RequestedSignIn, error) {
	return called[*RequestedSignIn](f, "RequestSignIn", r)
}

func (f *fake) Answers(_ context.Context, n Name) (*Answers, error) {
	return called[*Answers](f, "Answers", n)
}

func (f *fake) KeepAnswers(_ context.Context, a Answers) error { f.note("KeepAnswers", a); return nil }

func (f *fake) Record(_ context.Context, r []AuditRecord) error { f.note("Record", r); return nil }

func (f *fake) Log(_ context.Context, r LogRequest, show func(*AuditRecord) error) error {
	return streamed(f, "Log", r, show)
}

func (f *fake) Pause(ctx context.Context) error {
	f.note("Pause", nil)
	if f.onPause != nil {
		return f.onPause(ctx)
	}
	return nil
}

func (f *fake) Resume(context.Context) error { f.note("Resume", nil); return nil }

func (f *fake) Stop(context.Context) error {
	f.note("Stop", nil)
	if f.onStop != nil {
		f.onStop()
	}
	return nil
}

func (f *fake) SetSettings(_ context.Context, s SetSettings) (*account.Choices, error) {
	return called[*account.Choices](f, "SetSettings", s)
}

func (f *fake) Clients(context.Context) (*Clients, error) { return called[*Clients](f, "Clients", nil) }

func (f *fake) InstallClient(_ context.Context, r InstallRequest) (*Installed, error) {
	return called[*Installed](f, "InstallClient", r)
}

func (f *fake) UninstallClient(_ context.Context, r InstallRequest) (*Installed, error) {
	return called[*Installed](f, "UninstallClient", r)
}

func (f *fake) RepairClients(_ context.Context, r RepairRequest) (*Repaired, error) {
	return called[*Repaired](f, "RepairClients", r)
}

func (f *fake) Doctor(_ context.Context, r DoctorRequest, show func(*Check) error) error {
	return streamed(f, "Doctor", r, show)
}

func (f *fake) Scan(_ context.Context, r ScanRequest) (*Scanned, error) {
	return called[*Scanned](f, "Scan", r)
}

func (f *fake) Program(_ context.Context, n Name) (*Program, error) {
	return called[*Program](f, "Program", n)
}

func (f *fake) Programs(context.Context) (*Programs, error) {
	return called[*Programs](f, "Programs", nil)
}

func (f *fake) UseVault(_ context.Context, u UseVault) error { f.note("UseVault", u); return nil }

func (f *fake) Unlock(_ context.Context, u Unlock) error { f.note("Unlock", u); return nil }

func (f *fake) ShareProfile(_ context.Context, r ShareRequest) (*SharedProfile, error) {
	return called[*SharedProfile](f, "ShareProfile", r)
}

func (f *fake) ReviewProfile(_ context.Context, r ReviewRequest) (*Review, error) {
	return called[*Review](f, "ReviewProfile", r)
}

func (f *fake) JoinProfile(_ context.Context, r JoinRequest) (*JoinedProfile, error) {
	return called[*JoinedProfile](f, "JoinProfile", r)
}

func (f *fake) ForgetProfile(_ context.Context, n Name) error { f.note("ForgetProfile", n); return nil }

func (f *fake) VerifyLog(context.Context) (*VerifiedLog, error) {
	return called[*VerifiedLog](f, "VerifyLog", nil)
}

func (f *fake) AskApproval(_ context.Context, q ApprovalQuestion) (*Approval, error) {
	return called[*Approval](f, "AskApproval", q)
}

func (f *fake) Approve(_ context.Context, a Answer) error { f.note("Approve", a); return nil }

func (f *fake) Revoke(_ context.Context, n Name) error { f.note("Revoke", n); return nil }

func (f *fake) RestoreVault(context.Context) (*RestoredVault, error) {
	return called[*RestoredVault](f, "RestoreVault", nil)
}

// fill sets every exported field below v to something that is not zero.
func fill(v reflect.Value) {
	switch v.Addr().Interface().(type) {
	case *time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
		return
	case *secret.Plain:
		v.Set(reflect.ValueOf(secret.Plain{Value: secret.New(secretWord)}))
		return
	case *json.RawMessage:
		v.Set(reflect.ValueOf(json.RawMessage(`{"a":[1,null]}`)))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("text <&> 文字")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(42)
	case reflect.Uint64:
		v.SetUint(42)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
