package session

import (
	"context"

	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
)

// A Desk is what the pages of the window ask the agent. *local.Client fits.
type Desk interface {
	Probe(ctx context.Context, r local.ProbeRequest) (*local.Probed, error)
	ShowServer(ctx context.Context, n local.Name) (*account.Server, error)
	AddServer(ctx context.Context, s local.PutServer) (*local.AddedServer, error)
	SetServer(ctx context.Context, s local.PutServer) (*local.AddedServer, error)
	RemoveServer(ctx context.Context, n local.Name) error

	AddAccount(ctx context.Context, a local.PutAccount) (*local.AccountState, error)
	ShowAccount(ctx context.Context, n local.Name) (*account.Account, error)
	RotateAccount(ctx context.Context, a local.PutAccount) (*local.AccountState, error)
	RemoveAccount(ctx context.Context, n local.Name) (*local.RemovedAccount, error)
	SignOut(ctx context.Context, r local.SignOutRequest) error
	Approve(ctx context.Context, a local.Answer) error
	Revoke(ctx context.Context, n local.Name) error
	Unlock(ctx context.Context, r local.Unlock) error

	Token(ctx context.Context, r local.TokenRequest) (*local.Token, error)
	Answers(ctx context.Context, n local.Name) (*local.Answers, error)
	Log(ctx context.Context, r local.LogRequest, show func(*local.AuditRecord) error) error
	SetSettings(ctx context.Context, s local.SetSettings) (*account.Choices, error)
	Clients(ctx context.Context) (*local.Clients, error)
	ShareProfile(ctx context.Context, r local.ShareRequest) (*local.SharedProfile, error)
	ReviewProfile(ctx context.Context, r local.ReviewRequest) (*local.Review, error)
	JoinProfile(ctx context.Context, r local.JoinRequest) (*local.JoinedProfile, error)
	ForgetProfile(ctx context.Context, n local.Name) error
	Scan(ctx context.Context, r local.ScanRequest) (*local.Scanned, error)
	Doctor(ctx context.Context, r local.DoctorRequest, show func(*local.Check) error) error
	InstallClient(ctx context.Context, r local.InstallRequest) (*local.Installed, error)
	UninstallClient(ctx context.Context, r local.InstallRequest) (*local.Installed, error)
	RepairClients(ctx context.Context, r local.RepairRequest) (*local.Repaired, error)
}

// Ask runs work with the agent on a goroutine of its own and then calls done
// there, with work's error or why there is no agent. work ends when ctx does or
// the session. What is asked before Run is asked when Run begins; after Run
// nothing happens.
func (s *Session) Ask(ctx context.Context, work func(ctx context.Context, agent Desk) error, done func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	life := s.actions
	if life == nil && !s.ran {
		s.early = append(s.early, func() { s.Ask(ctx, work, done) })
		return
	}
	if life == nil || life.Err() != nil {
		return
	}
	s.work.Go(func() {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(life, cancel)()
		agent, err := s.arrived(ctx)
		if err == nil {
			err = work(ctx, agent)
		}
		done(err)
	})
}

// arrived returns the connection. While it is being made it waits, so that a page
// which is open from the start is not told that there is no agent.
func (s *Session) arrived(ctx context.Context) (Agent, error) {
	for {
		s.mu.Lock()
		trying, news := s.agent == nil && s.problem == nil, s.news
		s.mu.Unlock()
		if !trying {
			return s.connected()
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Texts returns the words in use.
func (s *Session) Texts() *view.Texts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.texts
}
