package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"ncloudfs/remote"
)

// State says what is to become of a staged file.
type State string

// The states of a staged file.
const (
	StateOpen       State = "open"        // changed, and not closed since
	StateReady      State = "ready"       // closed or synced: on its way to the bucket
	StateUploading  State = "uploading"   // so far in parts, by the upload that is recorded
	StateACLPending State = "acl-pending" // in the bucket, but its ACL is not yet what it should be
	StateFailed     State = "failed"      // the last try failed; there are more
	StateConflict   State = "conflict"    // cannot be stored under its name any more
	StateDone       State = "done"        // the bucket has it, or nobody wants it
	StateRemoved    State = "removed"     // no file: an object that is to be deleted
	StateRenaming   State = "renaming"    // no file: a directory, object by object
)

// Record is what the journal keeps of a staged file: all that another process
// needs to bring it into the bucket. The last record of an ID counts.
type Record struct {
	Seq   uint64    `json:"seq,omitempty"`
	ID    string    `json:"id"` // the data file's path within the stage directory
	State State     `json:"state"`
	At    time.Time `json:"at"`

	// Amend: the bytes that the last record of this ID describes stay as they
	// are, and this one says only what has become of them (see amend).
	Amend bool `json:"amend,omitempty"`

	// What the file's bytes are. Not changed by an amendment.
	Size        int64    `json:"size,omitempty"`
	Local       []extent `json:"local,omitempty"`
	Inline      []byte   `json:"inline,omitempty"` // the bytes of Local one after the other; else they are in the data file
	BaseEnd     int64    `json:"baseEnd,omitempty"`
	DataChanged bool     `json:"dataChanged,omitempty"`
	Boot        string   `json:"boot,omitempty"` // not safe from a loss of power during this boot of the machine; empty: safe

	Key         []byte          `json:"key,omitempty"`      // base64 in JSON: keys are any bytes
	To          []byte          `json:"to,omitempty"`       // a rename was about to move the object there
	ToExists    bool            `json:"toExists,omitempty"` // of a directory's rename: there is an empty directory at its new name
	Copied      bool            `json:"copied,omitempty"`   // of a directory's rename: all is there, and the originals are to go
	Base        *recordedObject `json:"base,omitempty"`     // shows through where nothing is local
	Object      *recordedObject `json:"object,omitempty"`   // what the bucket had last
	Replacing   *recordedObject `json:"replacing,omitempty"`
	Meta        remote.Meta     `json:"meta,omitempty"`
	ContentType string          `json:"contentType,omitempty"`
	ACL         *remote.ACL     `json:"toHave,omitempty"`     // that a program wants the object to have
	ACLOf       []byte          `json:"aclOf,omitempty"`      // the key whose ACL it is to keep
	Kept        *remote.ACL     `json:"kept,omitempty"`       // what that was before an upload, where no header carries it
	KeptStored  bool            `json:"keptStored,omitempty"` // that upload was carried out
	Sent        bool            `json:"sent,omitempty"`       // an upload has begun: its answer may be lost
	Sending     remote.ETag     `json:"sending,omitempty"`    // what an edit's upload makes: its base is gone then
	Late        []remote.ETag   `json:"late,omitempty"`       // versions that earlier requests of ours may still bring about
	LateDelete  bool            `json:"lateDelete,omitempty"` // an earlier deletion of ours may still be carried out
	Made        []remote.ETag   `json:"made,omitempty"`       // versions that uploads of this file may have made since Object
	Upload      *recordedUpload `json:"upload,omitempty"`     // a multipart upload that is under way
	Part        *recordedPart   `json:"part,omitempty"`       // of an amendment: one more part of Upload is there
	Error       string          `json:"error,omitempty"`      // of the last try

	size int64 // in the log, in bytes
}

// hasFile reports whether the record is of a file, as opposed to a change of names
// or ACLs.
func (r Record) hasFile() bool { return r.State != StateRemoved && !r.isGrants() && !r.isMove() }

// amend returns r with all that is not about its bytes as in a.
func (r Record) amend(a Record) Record {
	if a.Part != nil {
		if r.Upload != nil {
			r.Upload = r.Upload.with(*a.Part)
		}
		return r
	}
	a.Amend = false
	a.Size, a.Local, a.Inline, a.BaseEnd, a.DataChanged, a.Boot = r.Size, r.Local, r.Inline, r.BaseEnd, r.DataChanged, r.Boot
	return a
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

// recordedUpload is a multipart upload that has begun. It is immutable.
type recordedUpload struct {
	ID          string         `json:"id"`
	Key         []byte         `json:"key"`
	PartSize    int64          `json:"partSize"`
	Of          string         `json:"of"`              // what it was begun with: see uploadOf
	Early       bool           `json:"early,omitempty"` // begun before the file was closed, with what follows
	Meta        remote.Meta    `json:"meta,omitempty"`
	ContentType string         `json:"contentType,omitempty"`
	ACL         string         `json:"acl,omitempty"` // canned
	Parts       []recordedPart `json:"parts,omitempty"`
}

// recordedPart is a part that the service has.
type recordedPart struct {
	Number int         `json:"n"`
	ETag   remote.ETag `json:"etag"`
	Size   int64       `json:"size"`
}

func (u *recordedUpload) with(p recordedPart) *recordedUpload {
	now := *u
	now.Parts = append(u.Parts[:len(u.Parts):len(u.Parts)], p)
	return &now
}

// uploadOf sums up what the first request of a multipart upload fixes. Only an
// upload of the same sum can be gone on with.
func uploadOf(p remote.Path, o remote.PutOptions) string {
	b, _ := json.Marshal(struct { // strings always marshal
		Key  []byte
		Type string
		Meta remote.Meta
	}{[]byte(p.Key), o.ContentType, o.Meta})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}
