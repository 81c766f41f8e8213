package control

import (
	"fmt"

	"github.com/docker/go-units"

	"ncloudfs/cache"
)

// Unfinished is the error of a wait that ended before all was in the bucket.
type Unfinished struct {
	Backlog cache.Backlog
	Reason  string
}

func (u *Unfinished) Error() string {
	if u.Backlog.Changes == 0 {
		return u.Reason
	}
	return amount(u.Backlog) + " not in the bucket: " + u.Reason
}

// leftover is the error of a mount that has ended before all was in the bucket;
// nil when all is.
func leftover(b cache.Backlog, stageDir string) error {
	if b.Changes == 0 {
		return nil
	}
	return fmt.Errorf("%s not in the bucket yet: kept in %s, for the next mount or ncloudfs pending --stage-dir to go on with",
		amount(b), stageDir)
}

// amount says how many changes there are and how much is still to be sent.
func amount(b cache.Backlog) string {
	bytes := units.BytesSize(float64(max(b.Bytes-b.Sent, 0)))
	if b.Changes == 1 {
		return "1 change (" + bytes + ") is"
	}
	return fmt.Sprintf("%d changes (%s) are", b.Changes, bytes)
}
