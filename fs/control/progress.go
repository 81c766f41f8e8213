package control

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/docker/go-units"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"ncloudfs/cache"
)

// quietTime is how long a wait says nothing where there is no terminal.
const quietTime = 2 * time.Second

// progress shows how a wait goes: a bar on a terminal, otherwise one line when
// it takes longer.
type progress struct {
	out  io.Writer
	what string
	bar  *progressbar.ProgressBar // nil: no terminal

	mu    sync.Mutex
	began time.Time // guarded by mu, like all below; zero once the line is written
	peak  int64     // most bytes that were to be sent
}

// newProgress shows on out, which is usually the standard error, what is
// waited for.
func newProgress(out io.Writer, what string) *progress {
	p := &progress{out: out, what: what, began: time.Now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(1, progressbar.OptionSetWriter(out), progressbar.OptionShowBytes(true),
			progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth(), progressbar.OptionSetDescription(what))
	}
	return p
}

// tell shows what is left.
func (p *progress) tell(b cache.Backlog) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := max(b.Bytes-b.Sent, 0)
	switch {
	case b.Changes == 0 && p.peak == 0: // nothing to show yet
	case p.bar != nil:
		p.peak = max(p.peak, left, 1)
		p.bar.ChangeMax64(p.peak)
		p.bar.Describe(fmt.Sprintf("%s: %d left", p.what, b.Changes))
		_ = p.bar.Set64(p.peak - left) // only shown
	case !p.began.IsZero() && time.Since(p.began) >= quietTime:
		p.began = time.Time{}
		fmt.Fprintf(p.out, "ncloudfs: %s, %d with %s to send; Ctrl-C ends the wait, not the uploads\n",
			p.what, b.Changes, units.BytesSize(float64(left)))
	}
}

// end clears the bar.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear() // only shown
	}
}
