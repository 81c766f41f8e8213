package cache

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"ncloudfs/remote"
)

// recover takes up what an earlier mount of this source left: files that were
// closed are staged again, shown, and uploaded behind; files that their writer
// never closed, and those that cannot be uploaded, are kept and named in the
// log. What cannot be read is reported and left alone.
func (c *Cache) recover() {
	live := c.stage.journal.Live()
	for _, r := range live {
		if r.Upload != "" {
			c.retries.Go(func() { c.abort(c.ctx, c.client.Resume(c.path(string(r.Key)), r.Upload, remote.PutOptions{})) })
		}
		if r.State == StateOrphan && slices.ContainsFunc(live, r.isReplacedBy) {
			c.dropRecord(r.ID)
			continue // the name has a new file, whose upload replaces the object
		}
		if err := c.takeUp(r); err != nil {
			c.stage.keep(r.ID)
			c.log.Error("a file of an earlier mount is kept, but not uploaded", "path", c.path(string(r.Key)).String(),
				"kept", c.stage.root.Name()+"/"+r.ID, "state", string(r.State), "err", err)
		}
	}
	for _, id := range c.stage.journal.Done() {
		_ = c.stage.root.Remove(id) // gone already, but for a crash; an orphan has none
		c.stage.journal.Forget(id)
	}
	c.reportStrays()
}

// dropRecord ends a record that has no data file.
func (c *Cache) dropRecord(id string) {
	if _, err := c.stage.journal.Append(Record{ID: id, State: StateDone, At: time.Now()}); err != nil {
		c.log.Error("the journal cannot be written", "err", err)
	}
	c.stage.journal.Forget(id)
}

// takeUp stages one file again.
func (c *Cache) takeUp(r Record) error {
	switch r.State {
	case StateOrphan:
		c.takeUpOrphan(r)
		return nil
	case StateOpen:
		return errors.New("its writer ended before it was closed")
	case StateConflict:
		return errors.New(r.Error)
	}
	if !strings.HasPrefix(string(r.Key), c.prefix) {
		return errors.New("its key is not below what is mounted")
	}
	file, err := c.openData(r)
	if err != nil {
		return err
	}
	c.stage.adopt(r.ID)
	name := Name(strings.TrimPrefix(string(r.Key), c.prefix))
	s := &Staged{
		c: c, file: file, path: r.ID, name: name,
		size: r.Size, local: extents{r.Local}, base: r.Base.object(c.bucket), baseEnd: r.BaseEnd,
		attr: ParseAttr(r.Meta), meta: r.Meta, contentType: r.ContentType, object: r.Object.object(c.bucket), upload: r.Upload,
		changes: 2, committed: 1, wasWritten: true, wasSent: true, isLate: true, noted: r.State, notedAt: r.At,
	}
	if r.DataChanged {
		s.dataChanges = s.changes
	}
	s.sending, s.sendingFor, s.replacing = r.Sending, s.changes, r.Replacing.object(c.bucket)
	s.movingTo = Name(strings.TrimPrefix(string(r.To), c.prefix))
	_ = c.stage.reserve(s.local.Bytes()) // over a limit that was lowered, too
	if c.stage.putNew(name, s) != s {
		file.Close()
		return errors.New("a newer file of the same name is staged")
	}
	if s.object.Path.Key == "" {
		c.dirs.Pin(name)
	}
	c.log.Info("taking up a file that an earlier mount left", "path", c.path(string(r.Key)).String(), "bytes", r.Size)
	s.settle()
	return nil
}

// takeUpOrphan deletes the object of a file that was removed while it was open.
func (c *Cache) takeUpOrphan(r Record) {
	o := r.Object.object(c.bucket)
	c.orphans.add(o)
	c.dirs.PinAbsent(Name(strings.TrimPrefix(o.Path.Key, c.prefix)))
	c.RemoveOrphanBehind(o.Path, o.ETag)
}

// openData opens a record's data file, and makes sure that it holds what the
// record says.
func (c *Cache) openData(r Record) (*os.File, error) {
	file, err := c.stage.root.OpenFile(r.ID, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("its local bytes are gone: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	if n := len(r.Local); n > 0 && r.Local[n-1].End > info.Size() {
		file.Close()
		return nil, fmt.Errorf("its local file has %d bytes and should have %d", info.Size(), r.Local[n-1].End)
	}
	return file, nil
}

// reportStrays names data files that no record speaks of. Empty ones are what
// a crash leaves between making a file and recording it, and are removed.
func (c *Cache) reportStrays() {
	paths, err := c.stage.strays()
	if err != nil || len(paths) > 0 {
		c.log.Warn("local files that no record speaks of are kept", "files", paths, "err", err)
	}
}
