package cache

import (
	"context"
	"errors"
	"io"
	"time"
)

// Pending is one change that the bucket lacks: a file, the removal of an
// object, or what was kept because it cannot be uploaded.
type Pending struct {
	ID      string    `json:"id"`
	Key     string    `json:"key"` // of the object that it becomes, changes or removes
	State   State     `json:"state"`
	Size    int64     `json:"size"`             // of the whole file, in bytes
	Sent    int64     `json:"sent"`             // bytes of it that the service has
	Since   time.Time `json:"since"`            // of the last change
	Error   string    `json:"error,omitempty"`  // of the last try
	NextTry time.Time `json:"nextTry,omitzero"` // zero: under way, or only on request
	File    string    `json:"file,omitempty"`   // that holds the local bytes, when they are not in the journal
}

// Backlog sums up what the bucket lacks.
type Backlog struct {
	Changes int       `json:"changes"` // files and removals on their way
	Bytes   int64     `json:"bytes"`   // to be sent
	Sent    int64     `json:"sent"`    // bytes of these that the service has
	Kept    int       `json:"kept"`    // files that go nowhere by themselves: never closed, in conflict
	Oldest  time.Time `json:"oldest,omitzero"`
}

var errTodo = errors.New("not yet")

// Pending lists what the bucket lacks, in the order of its changes.
func (c *Cache) Pending() []Pending { return nil }

// Backlog sums up what the bucket lacks.
func (c *Cache) Backlog() Backlog { return Backlog{} }

// Retry tries the changes with these IDs now, or without IDs all, those that
// were never closed and conflicts only by ID, and returns once they are in the
// bucket or with what prevents it. fs.ErrNotExist for an unknown ID.
func (c *Cache) Retry(ctx context.Context, ids ...string) error { return errTodo }

// Discard gives up the changes with these IDs: their local bytes are deleted
// and the mount shows what the bucket has. ErrBusy while a handle is open.
func (c *Cache) Discard(ctx context.Context, ids ...string) error { return errTodo }

// Export writes the whole file of a pending change to w.
func (c *Cache) Export(ctx context.Context, id string, w io.Writer) error { return errTodo }

// Sync returns once everything that was closed before the call is in the
// bucket, or with what prevents it.
func (c *Cache) Sync(ctx context.Context) error { return errTodo }

// Sources returns what the stage directory dir holds journals of.
func Sources(dir string) ([]Source, error) { return nil, errTodo }
