package window

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/view"
)

// A callItem is the widgets of one call.
type callItem struct {
	widget.BaseWidget
	time, who, what, outcome, latency, bytes *widget.Label
	content                                  fyne.CanvasObject
}

// callColumns are the widths and shares of a call's columns.
var callColumns = columns{-84, 33, 25, 15, -70, -74}

func newCallItem() *callItem {
	i := &callItem{time: short(""), who: short(""), what: short(""), outcome: short(""), latency: short(""), bytes: short("")}
	i.time.Importance = widget.LowImportance
	i.latency.Alignment, i.bytes.Alignment = fyne.TextAlignTrailing, fyne.TextAlignTrailing
	i.content = container.New(callColumns, i.time, i.who, i.what, i.outcome, i.latency, i.bytes)
	i.ExtendBaseWidget(i)
	return i
}

func (i *callItem) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(i.content) }

func (i *callItem) show(r view.CallRow) {
	i.outcome.Importance = widget.MediumImportance
	if r.Failed {
		i.outcome.Importance = widget.WarningImportance
		r.Outcome = string(view.Needs) + " " + r.Outcome
	}
	for l, s := range map[*widget.Label]string{i.time: r.Time, i.who: r.Who, i.what: r.What, i.outcome: r.Outcome, i.latency: r.Latency, i.bytes: r.Bytes} {
		l.SetText(s)
	}
}
