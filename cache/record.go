package cache

import (
	"time"

	"ncloudfs/remote"
)

// State says what is to become of a staged file.
type State string

// The states of a staged file.
const (
	StateOpen      State = "open"      // changed, and not closed since
	StateReady     State = "ready"     // closed or synced: on its way to the bucket
	StateUploading State = "uploading" // so far in parts, by the upload that is recorded
	StateFailed    State = "failed"    // the last try failed; there are more
	StateConflict  State = "conflict"  // cannot be stored under its name any more
	StateDone      State = "done"      // the bucket has it, or nobody wants it
	StateOrphan    State = "orphan"    // no file: an object that was removed while it was open
)

// Record is what the journal keeps of a staged file: all that another process
// needs to bring it into the bucket. The last record of an ID counts.
type Record struct {
	Seq   uint64    `json:"seq"`
	ID    string    `json:"id"` // the data file's path within the stage directory
	State State     `json:"state"`
	At    time.Time `json:"at"`

	Key         []byte          `json:"key,omitempty"` // base64 in JSON: keys are any bytes
	To          []byte          `json:"to,omitempty"`  // a rename was about to move the object there
	Size        int64           `json:"size,omitempty"`
	Local       []extent        `json:"local,omitempty"`
	Base        *recordedObject `json:"base,omitempty"` // shows through where nothing is local
	BaseEnd     int64           `json:"baseEnd,omitempty"`
	Object      *recordedObject `json:"object,omitempty"` // what the bucket had last
	Replacing   *recordedObject `json:"replacing,omitempty"`
	DataChanged bool            `json:"dataChanged,omitempty"`
	Meta        remote.Meta     `json:"meta,omitempty"`
	ContentType string          `json:"contentType,omitempty"`
	Upload      string          `json:"upload,omitempty"`  // id of a multipart upload
	Sending     remote.ETag     `json:"sending,omitempty"` // what an edit's upload makes: its base is gone then
	Error       string          `json:"error,omitempty"`   // of the last try

	size int64 // of the frame, in bytes
}

// isReplacedBy reports whether o is a file that has the name of the orphan r.
func (r Record) isReplacedBy(o Record) bool {
	return o.State != StateOrphan && string(o.Key) == string(r.Key)
}

// recordedObject is one version of an object.
type recordedObject struct {
	Key      []byte      `json:"key"`
	ETag     remote.ETag `json:"etag"`
	Size     int64       `json:"size"`
	Modified time.Time   `json:"modified"`
}

func recordObject(o remote.Object) *recordedObject {
	if o.Path.Key == "" {
		return nil
	}
	return &recordedObject{[]byte(o.Path.Key), o.ETag, o.Size, o.ModTime}
}

// object is the inverse of recordObject.
func (r *recordedObject) object(bucket string) remote.Object {
	if r == nil {
		return remote.Object{}
	}
	return remote.Object{Path: remote.Path{Bucket: bucket, Key: string(r.Key)}, ETag: r.ETag, Size: r.Size, ModTime: r.Modified}
}
