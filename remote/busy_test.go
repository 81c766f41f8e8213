package remote_test

import (
	"sync/atomic"
	"testing"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// What the service refuses for now, or does not answer, is told; other errors
// are not.
func TestBusyServiceIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		fault emulator.Fault
		want  int32
	}{
		"SlowDown":           {emulator.Fault{Effect: emulator.Refuse, Code: "SlowDown"}, 1},
		"ServiceUnavailable": {emulator.Fault{Effect: emulator.Refuse, Code: "ServiceUnavailable"}, 1},
		"no answer":          {emulator.Fault{Effect: emulator.StallHeader}, 1},
		"InternalError":      {emulator.Fault{Effect: emulator.Refuse, Code: "InternalError"}, 0},
		"lost answer":        {emulator.Fault{Effect: emulator.Lose}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			withFaults(t, func(t *testing.T, s *service, _ *remote.Client, bucket string) {
				client := s.impatient(t)
				var told atomic.Int32
				client.OnBusy(func(op string) {
					equal(t, "operation", op, "PUT")
					told.Add(1)
				})
				c.fault.Count = 1
				s.fault(c.fault)
				put(t, client, remote.Path{Bucket: bucket, Key: "f"}, "content", remote.PutOptions{})
				equal(t, "times told", told.Load(), c.want)
			})
		})
	}
}
