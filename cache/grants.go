package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"ncloudfs/remote"
)

// grantsPrefix begins the ID of a record that is about a copy which is to get grants.
const grantsPrefix = "grants "

func grantsID(key string) string { return keyID(grantsPrefix, key) }

func (r Record) isGrants() bool { return strings.HasPrefix(r.ID, grantsPrefix) }

// noteGrants records, before old is copied to key, the grants that the copy is to
// get, which no header carries: after a crash in between the next mount sets them.
// endGrants ends the record.
func (c *Cache) noteGrants(key string, old remote.Object, acl *remote.ACL) error {
	return c.appendSafe(Record{ID: grantsID(key), State: StateACLPending, At: time.Now(),
		Key: []byte(key), Object: recordObject(old), ACL: acl})
}

// endGrants ends what noteGrants has recorded of key, if it has, unless a
// failure has left the copy without its grants: then they are set behind.
func (c *Cache) endGrants(key string, failure error) {
	r, ok := c.stage.journal.Find(grantsID(key))
	switch {
	case !ok:
	case failure == nil:
		c.dropRecords(r.ID)
	default:
		c.grantBehind(r)
	}
}

// takeUpGrants takes up a rename that a crash cut short. Its copy may still be
// made.
func (c *Cache) takeUpGrants(r Record) {
	if c.idle {
		return
	}
	copied := r.Object.ETag
	if copied.Multipart() {
		copied = "" // the copy gets another one
	}
	c.sends.recall(c.path(string(r.Key)), copied)
	c.grantBehind(r)
}

// grantBehind sets the grants of a copy, again and again until it has them.
func (c *Cache) grantBehind(r Record) {
	c.retries.Go(func() {
		c.again("the ACL of a copy", func(ctx context.Context) error { return c.grantLeft(ctx, r) }, func(err error, wait time.Duration) {
			c.log.Error("a copy that a rename has made is private still; it will be tried again",
				"path", c.path(string(r.Key)).String(), "err", err, "again_in", wait.String())
			r.Error = err.Error()
			c.appendLogged(c.nameOf(string(r.Key)), r)
		})
	})
}

// grantAll sets the grants of all copies that lack them.
func (c *Cache) grantAll(ctx context.Context) error {
	if c.stage == nil {
		return nil
	}
	var errs []error
	for _, r := range c.stage.journal.Live() {
		if r.isGrants() {
			errs = append(errs, c.grantLeft(ctx, r))
		}
	}
	return errors.Join(errs...)
}

// grantLeft sets the grants that r is about, if what its key has is the copy.
func (c *Cache) grantLeft(ctx context.Context, r Record) error {
	for p := c.path(string(r.Key)); ; {
		err := c.grantNow(ctx, p, r)
		mayCome := errors.Is(err, fs.ErrNotExist) && time.Until(c.sends.latest([]string{p.Key})) > 0
		if mayCome {
			if err = c.sends.settled(ctx, p.Key); err == nil {
				continue
			}
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.dropRecords(r.ID)
		case err != nil:
			return fmt.Errorf("the ACL of the renamed %s: %w", p, err)
		}
		return nil
	}
}

// grantNow is grantLeft at this moment; fs.ErrNotExist without an object.
func (c *Cache) grantNow(ctx context.Context, p remote.Path, r Record) error {
	release, err := c.gates.claim(ctx, c.gateOf(c.nameOf(string(r.Key))))
	if err != nil {
		return err
	}
	defer release()
	if _, ok := c.stage.journal.Find(r.ID); !ok {
		return nil // a rename of this mount has ended, or it was discarded
	}
	now, err := c.client.Head(ctx, p)
	if err == nil && r.isCopy(now) {
		step("acl")
		err = c.client.ApplyACL(ctx, p, r.ACL)
	}
	if isWithheld(err) {
		c.loseACL(p, err)
	} else if err != nil {
		return err
	}
	c.dropRecords(r.ID)
	return nil
}

// isCopy reports whether now can be the copy that r is about.
func (r Record) isCopy(now remote.Object) bool {
	return now.ETag == r.Object.ETag || r.Object.ETag.Multipart() && now.Size == r.Object.Size
}
