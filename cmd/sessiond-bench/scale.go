package main

import "context"

func scale(ctx context.Context, l *lab) (report, error) { return nil, nil }
