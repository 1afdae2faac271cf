// Tryton's web client signs in as whoever crmgate let in, without asking for anything. It belongs beside index.html.
(function () {
  'use strict';
  Sao.Session.get_credentials = function () {
    var signedIn = jQuery.Deferred();
    var database = window.location.hash.replace(/^(#(!|))/, '').split('/', 1)[0] || 'crm';
    jQuery.getJSON('/_gate/session').then(function (gate) {
      var login = gate.account.email;
      var stored = new Sao.Session(database, null);
      if (stored.session && stored.login === login) {
        signedIn.resolve(stored);
        return;
      }
      stored.unstore(); // somebody else's, on a shared computer
      Sao.Session.current_session = null;
      var session = new Sao.Session(database, login);
      session.do_login({}).then(function () {
        if (window.location.hash.length < 2) window.location = '#' + database;
        signedIn.resolve(session);
      }, signedIn.reject);
    }, function () {
      window.location.reload(); // the gateway's session is over: its sign-in page comes instead
    });
    return signedIn;
  };
  // Signing out of Tryton is signing out.
  var logout = Sao.logout;
  Sao.logout = function () {
    logout.apply(this, arguments);
    window.location = '/_gate/sign-out';
  };
})();
