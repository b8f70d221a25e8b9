// Sends the form on its way. Without this file its button does.
document.forms[0].submit();
