package app

import "context"

// loop calls run, which is Fyne's loop, on the main goroutine. When ctx is done, leave
// ends the process on another goroutine; ended is closed if run has returned. quit
// makes ctx end.
//
// Fyne's own end is not waited for. The last step of 2.7.1 hands an event to a queue
// that it closes at the same time, and waits for the event: where the queue is closed
// first, for ever. Fyne listens to the signals that end a process too, so run may
// return before leave is called.
func loop(ctx context.Context, quit, run func(), leave func(ended <-chan struct{})) {
	ended, left := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(left)
		<-ctx.Done()
		leave(ended)
	}()
	run()
	close(ended)
	quit()
	<-left
}
