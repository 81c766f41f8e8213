package emulator

import "time"

// The records of a directory. Strings that may hold any bytes are []byte,
// which JSON shows in base64.

type objectFile struct {
	Key         []byte
	Blobs       []string
	ETag        string
	Modified    time.Time
	ContentType []byte
	Meta        map[string][]byte
	ACL         acl
}

type uploadFile struct {
	ID          string
	Key         []byte
	Initiator   grantee
	Initiated   time.Time
	ContentType []byte
	Meta        map[string][]byte
	ACL         acl
}

type partFile struct {
	Number int
	Blob   string
	Tag    []byte
}

func toObjectFile(o *object) objectFile {
	f := objectFile{Key: []byte(o.key), ETag: o.etag, Modified: o.modified,
		ContentType: []byte(o.contentType), Meta: toBytes(o.meta), ACL: o.acl}
	for _, b := range o.content {
		f.Blobs = append(f.Blobs, b.id)
	}
	return f
}

func (f objectFile) object(c content) *object {
	return &object{key: string(f.Key), content: c, etag: f.ETag, modified: f.Modified,
		contentType: string(f.ContentType), meta: toStrings(f.Meta), acl: f.ACL}
}

func toUploadFile(u *upload) uploadFile {
	return uploadFile{ID: u.id, Key: []byte(u.key), Initiator: u.initiator, Initiated: u.initiated,
		ContentType: []byte(u.contentType), Meta: toBytes(u.meta), ACL: u.acl}
}

func (f uploadFile) upload() *upload {
	return &upload{id: f.ID, key: string(f.Key), initiator: f.Initiator, initiated: f.Initiated,
		contentType: string(f.ContentType), meta: toStrings(f.Meta), acl: f.ACL, parts: map[int]*part{}}
}

func toPartFile(p *part) partFile {
	return partFile{Number: p.number, Blob: p.blob.id, Tag: p.tag}
}

func toBytes(m map[string]string) map[string][]byte {
	out := make(map[string][]byte, len(m))
	for k, v := range m {
		out[k] = []byte(v)
	}
	return out
}

func toStrings(m map[string][]byte) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = string(v)
	}
	return out
}
