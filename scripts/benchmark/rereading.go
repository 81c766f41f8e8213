package main

import "time"

// storing is how long a mount has after a read to store what it could not
// while it was read.
const storing = 2 * time.Second

// rereading is reading again what the mount has on its disk.
func rereading() []*workload {
	again := func(name, title string, remount bool) *workload {
		return &workload{
			name:    name,
			title:   func(z sizes) string { return "read " + size(z.Large) + " again " + title },
			objects: oneLarge,
			pages:   large,
			warm:    readOften,
			keeps:   true,
			remount: remount,
			run:     readLarge,
			goal:    goal{seconds: asDisk(1.3)},
		}
	}
	dropped := again("reread", "without the kernel's pages", false)
	dropped.goal.requests = none
	remounted := again("reread-remount", "after a remount", true)
	remounted.goal.fetched = func(z sizes) int64 {
		if !z.IsFull {
			return z.Large // what fits into the mount's memory is not stored when the disk was slower than the network
		}
		return 1 << 20 // names and attributes are asked for anew
	}
	return []*workload{dropped, remounted}
}

// readOften reads until all is on the mount's disk: what it cannot store as
// fast as it comes is fetched and stored the next time.
func readOften(p place) error {
	for range 3 {
		if err := readLarge(p); err != nil {
			return err
		}
		time.Sleep(storing)
		if err := dropCaches(); err != nil {
			return err
		}
	}
	return nil
}
