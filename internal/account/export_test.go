package account

// NewBench gives tests outside the package a Service on a store in memory; its exported fields and methods are the Service's.
var NewBench = newBench
