package web

import "net/http"

// helpPage is the Data of the page "help".
type helpPage struct {
	Providers []helpWay
	// Local is true where local passwords exist, Reset where they are reset by mail.
	Local, Reset bool
}

// helpWay says where one provider's passwords are reset and changed; each address may be empty. HereURL is a page of ours.
type helpWay struct{ Name, ResetURL, ChangeURL, HereURL, Help string }

func (h *Handler) help(w http.ResponseWriter, r *http.Request) error {
	data := helpPage{Local: h.Local, Reset: h.MailedReset}
	for _, info := range h.infos() {
		way := helpWay{Name: info.Name, ResetURL: info.Password.ResetURL, ChangeURL: info.Password.ChangeURL, Help: info.Password.Help}
		if info.Password.ChangeHere {
			way.ChangeURL, way.HereURL = "", h.changeURL(info)
		}
		data.Providers = append(data.Providers, way)
	}
	return h.Pages.Render(w, r, http.StatusOK, "help", data)
}
