package local

import "context"

// A method is one method of Broker as it crosses the socket. Server and Client
// use the same value, so that name and types cannot differ between them.
type method[In, Out any] struct {
	name   string // the last part of the path
	stream bool   // any number of answers, one a line; else exactly one
	run    func(b Broker, ctx context.Context, in In, emit func(Out) error) error
}

// none is the argument or the answer of methods that have none: {}.
type none struct{}

// The methods, in the order of Broker.
var (
	state           = ask("state", Broker.State)
	watch           = follow("watch", Broker.Watch)
	probe           = call("probe", Broker.Probe)
	showServer      = call("show-server", Broker.ShowServer)
	addServer       = call("add-server", Broker.AddServer)
	setServer       = call("set-server", Broker.SetServer)
	renameServer    = do("rename-server", Broker.RenameServer)
	removeServer    = do("remove-server", Broker.RemoveServer)
	showAccount     = call("show-account", Broker.ShowAccount)
	addAccount      = call("add-account", Broker.AddAccount)
	rotateAccount   = call("rotate-account", Broker.RotateAccount)
	removeAccount   = call("remove-account", Broker.RemoveAccount)
	signIn          = follow("sign-in", Broker.SignIn)
	pasteRedirect   = do("paste-redirect", Broker.PasteRedirect)
	cancelSignIn    = do("cancel-sign-in", Broker.CancelSignIn)
	signOut         = do("sign-out", Broker.SignOut)
	getToken        = call("token", Broker.Token)
	inspect         = call("inspect", Broker.Inspect)
	prove           = call("prove", Broker.Prove)
	sign            = call("sign", Broker.Sign)
	bridge          = follow("bridge", Broker.Bridge)
	awaitReady      = do("await-ready", Broker.AwaitReady)
	requestSignIn   = call("request-sign-in", Broker.RequestSignIn)
	stepUp          = call("step-up", Broker.StepUp)
	answers         = call("answers", Broker.Answers)
	keepAnswers     = do("keep-answers", Broker.KeepAnswers)
	record          = do("record", Broker.Record)
	readLog         = follow("log", Broker.Log)
	verifyLog       = ask("verify-log", Broker.VerifyLog)
	askApproval     = call("ask-approval", Broker.AskApproval)
	approve         = do("approve", Broker.Approve)
	revoke          = do("revoke", Broker.Revoke)
	pause           = act("pause", Broker.Pause)
	resume          = act("resume", Broker.Resume)
	stop            = act("stop", Broker.Stop)
	setSettings     = call("set-settings", Broker.SetSettings)
	clients         = ask("clients", Broker.Clients)
	installClient   = call("install-client", Broker.InstallClient)
	uninstallClient = call("uninstall-client", Broker.UninstallClient)
	repairClients   = call("repair-clients", Broker.RepairClients)
	doctor          = follow("doctor", Broker.Doctor)
	shareProfile    = call("share-profile", Broker.ShareProfile)
	reviewProfile   = call("review-profile", Broker.ReviewProfile)
	joinProfile     = call("join-profile", Broker.JoinProfile)
	forgetProfile   = do("forget-profile", Broker.ForgetProfile)
	scan            = call("scan", Broker.Scan)
	getProgram      = call("program", Broker.Program)
	listPrograms    = ask("programs", Broker.Programs)
	useVault        = do("use-vault", Broker.UseVault)
	unlock          = do("unlock", Broker.Unlock)
	restoreVault    = ask("restore-vault", Broker.RestoreVault)
)

// A route is a method whose types the server need not know.
type route interface {
	path() string
	serve(c *exchange)
}

func routes() []route {
	return []route{
		state, watch,
		probe, showServer, addServer, setServer, renameServer, removeServer,
		showAccount, addAccount, rotateAccount, removeAccount,
		signIn, pasteRedirect, cancelSignIn, signOut,
		getToken, inspect, prove, sign,
		bridge, awaitReady, requestSignIn, stepUp, answers, keepAnswers, record, readLog, verifyLog,
		askApproval, approve, revoke,
		pause, resume, stop,
		setSettings, clients, installClient, uninstallClient, repairClients,
		doctor, scan, getProgram, listPrograms,
		shareProfile, reviewProfile, joinProfile, forgetProfile,
		useVault, unlock, restoreVault,
	}
}

func (m method[In, Out]) path() string { return m.name }

// call makes a method with an argument and an answer.
func call[In, Out any](name string, f func(Broker, context.Context, In) (Out, error)) method[In, Out] {
	return method[In, Out]{name: name, run: func(b Broker, ctx context.Context, in In, emit func(Out) error) error {
		out, err := f(b, ctx, in)
		if err != nil {
			return err
		}
		return emit(out)
	}}
}

// ask makes a method with an answer only.
func ask[Out any](name string, f func(Broker, context.Context) (Out, error)) method[none, Out] {
	return call(name, func(b Broker, ctx context.Context, _ none) (Out, error) { return f(b, ctx) })
}

// do makes a method with an argument only.
func do[In any](name string, f func(Broker, context.Context, In) error) method[In, none] {
	return call(name, func(b Broker, ctx context.Context, in In) (none, error) { return none{}, f(b, ctx, in) })
}

// act makes a method with neither.
func act(name string, f func(Broker, context.Context) error) method[none, none] {
	return do(name, func(b Broker, ctx context.Context, _ none) error { return f(b, ctx) })
}

// follow makes a method whose answers are a stream.
func follow[In, Out any](name string, f func(Broker, context.Context, In, func(Out) error) error) method[In, Out] {
	return method[In, Out]{name: name, stream: true, run: f}
}
