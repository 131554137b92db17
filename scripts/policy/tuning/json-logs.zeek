##! Writes all text logs as JSON.

redef LogAscii::use_json = T;
