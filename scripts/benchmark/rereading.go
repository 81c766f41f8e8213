package main

// rereading is reading again what the mount has on its disk.
func rereading() []*workload {
	again := func(name, title string, remount bool) *workload {
		return &workload{
			name:    name,
			title:   func(z sizes) string { return "read " + size(z.Large) + " again " + title },
			objects: oneLarge,
			warm: func(p place) error {
				return p.sh(`for i in 1 2; do dd if=large of=/dev/null bs=1M status=none; sleep 2; done`)
			},
			keeps:   true,
			remount: remount,
			run:     func(p place) error { return p.sh(`dd if=large of=/dev/null bs=1M status=none`) },
			goal:    goal{seconds: asDisk(1.3)},
		}
	}
	dropped := again("reread", "without the kernel's pages", false)
	dropped.goal.requests = none
	remounted := again("reread-remount", "after a remount", true)
	remounted.goal.fetched = func(sizes) int64 { return 1 << 20 } // names and attributes are asked for anew
	return []*workload{dropped, remounted}
}
