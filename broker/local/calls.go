package local

import (
	"context"

	"keyporter/broker/account"
)

// The methods of Broker, over the socket; Stop is in stop.go.

func (c *Client) State(ctx context.Context) (*State, error) { return state.one(ctx, c, none{}) }

func (c *Client) Watch(ctx context.Context, w Watch, show func(*State) error) error {
	return watch.each(ctx, c, w, show)
}

func (c *Client) Probe(ctx context.Context, r ProbeRequest) (*Probed, error) {
	return probe.one(ctx, c, r)
}

func (c *Client) ShowServer(ctx context.Context, n Name) (*account.Server, error) {
	return showServer.one(ctx, c, n)
}

func (c *Client) AddServer(ctx context.Context, s PutServer) (*AddedServer, error) {
	return addServer.one(ctx, c, s)
}

func (c *Client) SetServer(ctx context.Context, s PutServer) (*AddedServer, error) {
	return setServer.one(ctx, c, s)
}

func (c *Client) RenameServer(ctx context.Context, r Rename) error {
	_, err := renameServer.one(ctx, c, r)
	return err
}

func (c *Client) RemoveServer(ctx context.Context, n Name) error {
	_, err := removeServer.one(ctx, c, n)
	return err
}

func (c *Client) ShowAccount(ctx context.Context, n Name) (*account.Account, error) {
	return showAccount.one(ctx, c, n)
}

func (c *Client) AddAccount(ctx context.Context, a PutAccount) (*AccountState, error) {
	return addAccount.one(ctx, c, a)
}

func (c *Client) RotateAccount(ctx context.Context, a PutAccount) (*AccountState, error) {
	return rotateAccount.one(ctx, c, a)
}

func (c *Client) RemoveAccount(ctx context.Context, n Name) (*RemovedAccount, error) {
	return removeAccount.one(ctx, c, n)
}

func (c *Client) SignIn(ctx context.Context, r SignInRequest, tell func(*SignInEvent) error) error {
	return signIn.each(ctx, c, r, tell)
}

func (c *Client) PasteRedirect(ctx context.Context, p PastedRedirect) error {
	_, err := pasteRedirect.one(ctx, c, p)
	return err
}

func (c *Client) CancelSignIn(ctx context.Context, n Name) error {
	_, err := cancelSignIn.one(ctx, c, n)
	return err
}

func (c *Client) SignOut(ctx context.Context, r SignOutRequest) error {
	_, err := signOut.one(ctx, c, r)
	return err
}

func (c *Client) Token(ctx context.Context, r TokenRequest) (*Token, error) {
	return getToken.one(ctx, c, r)
}

func (c *Client) Inspect(ctx context.Context, r InspectRequest) (*Inspection, error) {
	return inspect.one(ctx, c, r)
}

func (c *Client) Prove(ctx context.Context, r ProveRequest) (*Proof, error) {
	return prove.one(ctx, c, r)
}

func (c *Client) Sign(ctx context.Context, r SignRequest) (*Signature, error) {
	return sign.one(ctx, c, r)
}

func (c *Client) Bridge(ctx context.Context, r BridgeRequest, show func(*BridgeState) error) error {
	return bridge.each(ctx, c, r, show)
}

func (c *Client) AwaitReady(ctx context.Context, r AwaitRequest) error {
	_, err := awaitReady.one(ctx, c, r)
	return err
}

func (c *Client) RequestSignIn(ctx context.Context, r AwaitRequest) (*RequestedSignIn, error) {
	return requestSignIn.one(ctx, c, r)
}

func (c *Client) StepUp(ctx context.Context, r StepUpRequest) (*Token, error) {
	return stepUp.one(ctx, c, r)
}

func (c *Client) Answers(ctx context.Context, n Name) (*Answers, error) {
	return answers.one(ctx, c, n)
}

func (c *Client) KeepAnswers(ctx context.Context, a Answers) error {
	_, err := keepAnswers.one(ctx, c, a)
	return err
}

func (c *Client) Record(ctx context.Context, r []AuditRecord) error {
	_, err := record.one(ctx, c, r)
	return err
}

func (c *Client) Log(ctx context.Context, r LogRequest, show func(*AuditRecord) error) error {
	return readLog.each(ctx, c, r, show)
}

func (c *Client) VerifyLog(ctx context.Context) (*VerifiedLog, error) {
	return verifyLog.one(ctx, c, none{})
}

func (c *Client) AskApproval(ctx context.Context, q ApprovalQuestion) (*Approval, error) {
	return askApproval.one(ctx, c, q)
}

func (c *Client) Approve(ctx context.Context, a Answer) error {
	_, err := approve.one(ctx, c, a)
	return err
}

func (c *Client) Revoke(ctx context.Context, n Name) error {
	_, err := revoke.one(ctx, c, n)
	return err
}

func (c *Client) Pause(ctx context.Context) error {
	_, err := pause.one(ctx, c, none{})
	return err
}

func (c *Client) Resume(ctx context.Context) error {
	_, err := resume.one(ctx, c, none{})
	return err
}

func (c *Client) SetSettings(ctx context.Context, s SetSettings) (*account.Choices, error) {
	return setSettings.one(ctx, c, s)
}

func (c *Client) Clients(ctx context.Context) (*Clients, error) { return clients.one(ctx, c, none{}) }

func (c *Client) InstallClient(ctx context.Context, r InstallRequest) (*Installed, error) {
	return installClient.one(ctx, c, r)
}

func (c *Client) UninstallClient(ctx context.Context, r InstallRequest) (*Installed, error) {
	return uninstallClient.one(ctx, c, r)
}

func (c *Client) RepairClients(ctx context.Context, r RepairRequest) (*Repaired, error) {
	return repairClients.one(ctx, c, r)
}

func (c *Client) Doctor(ctx context.Context, r DoctorRequest, show func(*Check) error) error {
	return doctor.each(ctx, c, r, show)
}

func (c *Client) ShareProfile(ctx context.Context, r ShareRequest) (*SharedProfile, error) {
	return shareProfile.one(ctx, c, r)
}

func (c *Client) ReviewProfile(ctx context.Context, r ReviewRequest) (*Review, error) {
	return reviewProfile.one(ctx, c, r)
}

func (c *Client) JoinProfile(ctx context.Context, r JoinRequest) (*JoinedProfile, error) {
	return joinProfile.one(ctx, c, r)
}

func (c *Client) ForgetProfile(ctx context.Context, n Name) error {
	_, err := forgetProfile.one(ctx, c, n)
	return err
}

func (c *Client) Scan(ctx context.Context, r ScanRequest) (*Scanned, error) {
	return scan.one(ctx, c, r)
}

func (c *Client) Program(ctx context.Context, n Name) (*Program, error) {
	return getProgram.one(ctx, c, n)
}

func (c *Client) Programs(ctx context.Context) (*Programs, error) {
	return listPrograms.one(ctx, c, none{})
}

func (c *Client) UseVault(ctx context.Context, u UseVault) error {
	_, err := useVault.one(ctx, c, u)
	return err
}

func (c *Client) Unlock(ctx context.Context, u Unlock) error {
	_, err := unlock.one(ctx, c, u)
	return err
}

func (c *Client) RestoreVault(ctx context.Context) (*RestoredVault, error) {
	return restoreVault.one(ctx, c, none{})
}
