package remote

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// keyRest is how long refused keys are not looked for again: what the keys
	// may not do must not cost a look each time.
	keyRest = time.Second
	// keyLead is how long before they expire keys are looked for again.
	keyLead = 5 * time.Minute
)

// keys sign requests with the newest pair there is.
type keys struct {
	find func(context.Context) (Credentials, error) // nil: they never change
	log  *slog.Logger
	now  atomic.Pointer[signer]
	turn chan struct{} // of one: who holds it looks for keys, and guards the fields below

	looked    time.Time
	complaint string // the last one, which is not repeated
}

func newKeys(o Options, region string) *keys {
	k := &keys{find: o.FindKeys, log: o.Logger, turn: make(chan struct{}, 1)}
	s := newSigner(o.Credentials, region)
	k.now.Store(&s)
	return k
}

// signer returns what to sign with. Keys that expire soon are looked for by
// one call at a time; only those that have expired are waited for.
func (k *keys) signer(ctx context.Context) *signer {
	s := k.now.Load()
	left := time.Until(s.expires)
	if s.expires.IsZero() || left > keyLead || k.find == nil {
		return s
	}
	if left > 0 {
		select {
		case k.turn <- struct{}{}:
		default:
			return s // somebody is at it
		}
	} else if !k.take(ctx) {
		return s
	}
	defer func() { <-k.turn }()
	k.look(ctx, s)
	return k.now.Load()
}

// renewed looks for keys after those of used were refused, and reports whether
// there are others now.
func (k *keys) renewed(ctx context.Context, used *signer) bool {
	if k.find == nil || used == nil || used.anonymous || !k.take(ctx) {
		return false
	}
	defer func() { <-k.turn }()
	k.look(ctx, used)
	return k.now.Load() != used
}

// take waits for the turn, unless ctx ends before.
func (k *keys) take(ctx context.Context) bool {
	select {
	case k.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// look replaces the signer if it is still old and there are other keys.
func (k *keys) look(ctx context.Context, old *signer) {
	if k.now.Load() != old || time.Since(k.looked) < keyRest {
		return
	}
	defer func() { k.looked = time.Now() }()
	found, err := k.find(ctx)
	if err != nil {
		if err.Error() != k.complaint && ctx.Err() == nil {
			k.complaint = err.Error()
			k.log.Warn("keys cannot be read again; the old ones are used", "err", err)
		}
		return
	}
	k.complaint = ""
	s := newSigner(found, old.region)
	if s.accessKey == old.accessKey && s.secret() == old.secret() && s.expires.Equal(old.expires) || found.Anonymous || s.accessKey == "" {
		return
	}
	k.log.Info("other keys are used from now on", "keys", found.Source)
	k.now.Store(&s)
}

// aboutKeys reports a refusal that other keys may get over. The answer to a
// HEAD does not tell them apart.
func (e *Error) aboutKeys() bool {
	switch e.Code {
	case AccessDenied, InvalidAccessKeyID, SignatureDoesNotMatch, InvalidSecurity:
		return true
	}
	return false
}
