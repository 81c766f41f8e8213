package cache

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"ncloudfs/remote"
)

// copiesInFlight is how many copies of a directory rename run together.
const copiesInFlight = 32

// treeMove is the rename of a directory: everything below it is copied, then the
// originals are deleted. The journal knows it, and after a crash the next mount
// brings it to its end. It is not for use by several at once, but for its Progress.
type treeMove struct {
	c        *Cache
	from, to Name
	record   Record
	lift     func() // of the veil that is down

	total, copied, deleted atomic.Int64
}

// Progress is how far the rename of a directory has come.
type Progress struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Objects int64  `json:"objects"` // in all
	Copied  int64  `json:"copied"`
	Deleted int64  `json:"deleted"`
}

// movePrefix begins the ID of the record of a treeMove.
const movePrefix = "rename "

func (r Record) isMove() bool { return strings.HasPrefix(r.ID, movePrefix) }

// beginMove takes up a rename. Until its copies are complete, nothing is shown of
// them.
func (c *Cache) beginMove(from, to Name, isThere bool) *treeMove {
	m := &treeMove{c: c, from: from, to: to, lift: c.veils.hide(to, isThere)}
	skew, _ := c.client.ClockSkew() // the dates of its copies are the server's
	m.record = Record{ID: keyID(movePrefix, c.dirKeyOf(from)), State: StateRenaming,
		At: time.Now().Add(-skew), Key: []byte(c.dirKeyOf(from)), To: []byte(c.dirKeyOf(to)), ToExists: isThere}
	c.moves.Store(m, nil)
	return m
}

// note puts the move's state into the journal, safe from a loss of power.
func (m *treeMove) note() error { return m.c.appendSafe(m.record) }

// end forgets the move: there is nothing left to do.
func (m *treeMove) end() {
	m.c.moves.Delete(m)
	m.lift()
	if _, ok := m.c.stage.journal.Find(m.record.ID); ok {
		m.c.dropRecords(m.record.ID)
	}
}

// Renames tells of the directory renames under way.
func (c *Cache) Renames() []Progress {
	var all []Progress
	for key := range c.moves.Range {
		m := key.(*treeMove) // nothing else is in it
		all = append(all, Progress{string(m.from), string(m.to), m.total.Load(), m.copied.Load(), m.deleted.Load()})
	}
	return all
}

// copy copies objects to below the new name, side by side, but for those that have
// their copy there already.
func (m *treeMove) copy(ctx context.Context, objects []remote.Object, there map[string]remote.Object) ([]remote.Object, error) {
	m.total.Store(int64(len(objects)))
	copies := make([]remote.Object, len(objects))
	var failed atomic.Bool // those under way go on: one that is given up could still take effect
	var g errgroup.Group
	g.SetLimit(copiesInFlight)
	for i, o := range objects {
		if failed.Load() {
			break
		}
		to := m.newPath(o.Path)
		if t, ok := there[to.Key]; ok && m.isCopy(t, o) {
			copies[i] = t
			m.copied.Add(1)
			continue
		}
		g.Go(func() error {
			var err error
			if copies[i], err = m.c.copyObject(ctx, o, to, copyOf{}); err != nil {
				failed.Store(true)
				return err
			}
			m.copied.Add(1)
			return nil
		})
	}
	return copies, g.Wait()
}

func (m *treeMove) newPath(p remote.Path) remote.Path {
	return m.c.path(string(m.record.To) + strings.TrimPrefix(p.Key, string(m.record.Key)))
}

// isCopy reports whether t can be the copy of o that this move has made.
func (m *treeMove) isCopy(t, o remote.Object) bool {
	return t.Size == o.Size && (t.ETag == o.ETag || o.ETag.Multipart()) && t.ModTime.After(m.record.At.Add(-dateSlack))
}

// noteCopied records that the copies are complete: from here on there is no way
// back.
func (m *treeMove) noteCopied() error {
	m.record.Copied = true
	err := m.note()
	step("copied")
	return err
}

// hideOld hides the old name instead of the new one.
func (m *treeMove) hideOld() {
	lift := m.lift
	m.lift = m.c.veils.hide(m.from, false)
	lift()
}

// takeUpMove goes on with a rename that a crash cut short, behind; until then no
// file below can be changed.
func (c *Cache) takeUpMove(r Record) {
	if c.idle {
		return
	}
	m := c.resumeMove(r)
	release, err := m.claim(c.ctx)
	if err != nil {
		return // the mount ends already
	}
	c.sends.recall(c.path(string(r.To)), "") // copies may still be on their way
	c.rolls.Go(func() {
		defer release()
		c.again("the rename of a directory", m.rollForward, func(err error, wait time.Duration) {
			c.log.Error("a directory that was being renamed is at its old name still; it will be tried again",
				"directory", string(m.from), "to", string(m.to), "err", err, "again_in", wait.String())
		})
	})
}

// resumeMove makes a treeMove of a record.
func (c *Cache) resumeMove(r Record) *treeMove {
	m := c.beginMove(c.nameOf(string(r.Key)).dir(), c.nameOf(string(r.To)).dir(), r.ToExists)
	m.record = r
	if r.Copied {
		m.hideOld()
	}
	return m
}

// claim keeps all else from what is below the two names.
func (m *treeMove) claim(ctx context.Context) (release func(), err error) {
	keys := []string{string(m.record.Key), string(m.record.To)}
	still, err := m.c.names.claim(ctx, keys...)
	if err != nil {
		return nil, err
	}
	free, err := m.c.gates.claim(ctx, keys...)
	if err != nil {
		still()
		return nil, err
	}
	return func() { free(); still() }, nil
}

// retryMove completes a rename that is not under way.
func (c *Cache) retryMove(ctx context.Context, r Record) error {
	if !c.idle {
		return c.awaitMoves(ctx)
	}
	m := c.resumeMove(r)
	defer m.lift()
	release, err := m.claim(ctx)
	if err != nil {
		return err
	}
	defer release()
	return m.rollForward(ctx)
}

// rollForward brings the move to its end.
func (m *treeMove) rollForward(ctx context.Context) error {
	c := m.c
	if err := c.sends.settled(ctx, string(m.record.To)); err != nil {
		return err
	}
	objects, err := c.allBelow(ctx, m.from, 0)
	if err != nil {
		return err
	}
	list, err := c.allBelow(ctx, m.to, 0)
	if err != nil {
		return err
	}
	there := make(map[string]remote.Object, len(list))
	for _, o := range list {
		there[o.Path.Key] = o
	}
	var copies []remote.Object
	if m.record.Copied {
		objects, copies = m.originals(objects, there)
	} else {
		if copies, err = m.copy(ctx, objects, there); err == nil {
			err = m.noteCopied()
		}
		if err != nil {
			return err
		}
		m.hideOld() // no program has anything open there
	}
	moved := m.deleteOriginals(ctx, objects, copies)
	m.show(moved)
	c.log.Info("a directory rename that was cut short is complete", "directory", string(m.from), "to", string(m.to), "objects", len(objects))
	return nil
}

// originals are the objects that have their copies, with these: what has come
// since is not ours.
func (m *treeMove) originals(objects []remote.Object, there map[string]remote.Object) (originals, copies []remote.Object) {
	for _, o := range objects {
		if t, ok := there[m.newPath(o.Path).Key]; ok && m.isCopy(t, o) && o.ModTime.Before(t.ModTime.Add(dateSlack)) {
			originals, copies = append(originals, o), append(copies, t)
		}
	}
	return originals, copies
}

// deleteOriginals deletes what has been copied. It returns the moves by the name of
// their original.
func (m *treeMove) deleteOriginals(ctx context.Context, objects, copies []remote.Object) map[Name]Move {
	keys := make([]string, len(objects))
	moved := make(map[Name]Move, len(objects))
	for i, o := range objects {
		keys[i] = o.Path.Key
		moved[m.c.nameOf(o.Path.Key)] = Move{From: o, To: copies[i]}
	}
	if err := m.c.deleteAll(ctx, keys, &m.deleted); err != nil {
		// Everything is at its new place, and that is where it is shown.
		m.c.log.Error("a renamed directory left objects behind under its old name; deleting them will be tried again", "directory", string(m.from), "err", err)
		m.c.removeLeft(m.from, objects)
	}
	return moved
}

// undo deletes what a failed copy made, and what it may have made without an
// answer: nothing else was there, but perhaps the marker, which is kept.
func (m *treeMove) undo(ctx context.Context, objects []remote.Object, keepMarker bool) error {
	var keys []string
	for _, o := range objects {
		if key := m.newPath(o.Path).Key; key != string(m.record.To) || !keepMarker {
			keys = append(keys, key)
		}
	}
	err := m.c.deleteAll(context.WithoutCancel(ctx), keys, new(atomic.Int64))
	for _, key := range keys {
		m.c.endGrants(key, err)
	}
	return err
}

// show has what is remembered and staged follow the move, and ends it.
func (m *treeMove) show(moved map[Name]Move) {
	c, from, to := m.c, m.from, m.to
	opened := c.stage.takeUnder(from) // perhaps more than there were
	for _, s := range opened {
		defer s.Release()
		name, _ := s.Name()
		if !name.In(from) {
			continue // renamed a moment ago
		}
		s.rename(name, name.Rebase(from, to), moved[name], remote.Object{})
		c.dirs.Unpin(name)
	}
	c.dirs.ForgetTree(from)
	c.dirs.ForgetTree(to)
	c.known.ForgetTree(c.dirKeyOf(from))
	c.removed(from)
	c.dirs.Changed(to, Entry{Kind: Dir})
	for _, s := range c.stage.Under(to) {
		if name, _ := s.Name(); s.Committed().Path.Key == "" && !isMarker(name) {
			c.dirs.Pin(name)
		}
	}
	m.end()
}

// awaitMoves waits for the renames that an earlier mount has left.
func (c *Cache) awaitMoves(ctx context.Context) error {
	select {
	case <-c.rolls.ended():
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("a directory rename is not complete"), context.Cause(ctx))
	}
}
