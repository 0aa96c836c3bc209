"""The keys of the objects that the API serves, version by version.

An object of Dolibarr carries some hundred keys of which most are always null. Here stand the names
and the values that never change; what is read from the tables is laid over a blank copy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Shape:
    """Names of keys: those of every version, those of some; and constants other than null."""

    everywhere: str
    only: dict[tuple[int, ...], str]
    values: dict[str, Any] = field(default_factory=dict)

    _made: dict[int, dict[str, Any]] = field(default_factory=dict, repr=False, compare=False)

    def blank(self, major: int) -> dict[str, Any]:
        """Make a fresh object of this version with nothing filled in."""
        if major not in self._made:
            self._made[major] = {name: self.values.get(name) for name in self._names(major)}
        made = self._made[major]
        return made | {name: [] for name in made if made[name] == []}

    def _names(self, major: int) -> list[str]:
        extra = [names for versions, names in self.only.items() if major in versions]
        return " ".join([self.everywhere, *extra]).split()


INVOICE = Shape(
    everywhere="""
    array_languages array_options civility_id close_code close_note cond_reglement_code
    cond_reglement_doc cond_reglement_id contact_id contacts_ids country_code country_id date
    date_cloture date_creation date_lim_reglement date_modification date_pointoftax
    date_validation datem delivery_date demand_reason_id entity extraparams fac_rec firstname
    fk_account fk_fac_rec_source fk_facture_source fk_incoterms fk_multicurrency fk_project
    fk_user_author fk_user_modif fk_user_valid id import_key label_incoterms last_main_doc
    lastname line lines linkedObjectsIds location_incoterms mode_reglement_code
    mode_reglement_id module_source multicurrency_code multicurrency_total_ht
    multicurrency_total_ttc multicurrency_total_tva multicurrency_tx name note_private
    note_public origin_id paye pos_source ref ref_client ref_customer ref_ext region_id
    remaintopay remise_percent retained_warranty retained_warranty_date_limit
    retained_warranty_fk_cond_reglement revenuestamp shipping_method_id situation_counter
    situation_cycle_ref situation_final socid specimen state_id status statut sumcreditnote
    sumcreditnote_multicurrency sumdeposit sumdeposit_multicurrency sumpayed
    sumpayed_multicurrency tab_next_situation_invoice tab_previous_situation_invoice total_ht
    total_localtax1 total_localtax2 total_ttc total_tva totalcreditnotes totaldeposits
    transport_mode_id type user user_author user_closing_id user_creation user_creation_id
    user_modification user_modification_id user_valid user_validation user_validation_id
    """,
    only={
        (16,): """
        brouillon date_livraison fk_bank fk_projet linkedObjectsFullLoaded linked_objects model_pdf
        origin remise_absolue validateFieldsErrors
        """,
        (16, 22): """
        totalpaid
        """,
        (20, 22): """
        actiontypecode availability_id cond_reglement_label cond_reglement_supplier_id date_closing
        deposit_percent description fk_soc fk_user_creat module multicurrency_total_localtax1
        multicurrency_total_localtax2 online_payment_url origin_type postactionmessages product
        resteapayer shipping_method source stripechargedone stripechargeerror subtype title tms
        warehouse_id
        """,
        (22,): """
        civility_code contacts_ids_internal creditnote_ids nbofopendirectdebitorcredittransfer
        """,
    },
    values={
        "contacts_ids": [],
        "linked_objects": [],
        "linkedObjectsFullLoaded": [],
        "specimen": 0,
        "validateFieldsErrors": [],
        "extraparams": [],
        "fk_incoterms": "0",
        "fk_multicurrency": "0",
        "location_incoterms": "",
        "mode_reglement_id": "0",
        "cond_reglement_id": "0",
        "multicurrency_code": "EUR",
        "multicurrency_tx": "1.00000000",
        "date_pointoftax": "",
        "situation_final": "0",
        "tab_previous_situation_invoice": [],
        "tab_next_situation_invoice": [],
        "retained_warranty": "0",
        "retained_warranty_date_limit": "",
        "retained_warranty_fk_cond_reglement": "0",
        "total_localtax1": "0.00000000",
        "total_localtax2": "0.00000000",
        "creditnote_ids": [],
    },
)

LINE = Shape(
    everywhere="""
    array_languages array_options buy_price_ht buyprice contacts_ids date_cloture date_creation
    date_debut_prevue date_debut_reel date_end date_end_fill date_fin_prevue date_fin_reel
    date_modification date_start date_start_fill date_validation demand_reason_id desc
    description duree entity fk_account fk_accounting_account fk_code_ventilation fk_facture
    fk_fournprice fk_parent_line fk_prev_id fk_product fk_product_type fk_remise_except fk_unit
    fk_user_author fk_user_modif height height_units id import_key info_bits label last_main_doc
    length length_units libelle lines linkedObjectsIds localtax1_tx localtax1_type localtax2_tx
    localtax2_type marge_tx marque_tx multicurrency_subprice multicurrency_total_ht
    multicurrency_total_ttc multicurrency_total_tva multilangs origin_id pa_ht price product
    product_barcode product_desc product_label product_ref product_type qty rang ref ref_ext
    region_id remise remise_percent rowid situation_percent special_code specimen state_id
    status statut subprice surface surface_units total_ht total_localtax1 total_localtax2
    total_ttc total_tva transport_mode_id tva_tx user_author user_closing_id user_creation
    user_creation_id user_modification user_modification_id user_valid user_validation
    user_validation_id vat_src_code volume volume_units weight weight_units width width_units
    """,
    only={
        (16,): """
        code_ventilation fk_bank linkedObjectsFullLoaded linked_objects origin validateFieldsErrors
        """,
        (20, 22): """
        actiontypecode batch cond_reglement_supplier_id deposit_percent extraparams
        fk_parent_attribute fk_user_creat fk_warehouse module multicurrency_total_localtax1
        multicurrency_total_localtax2 multicurrency_tx origin_type parent_element
        retained_warranty_fk_cond_reglement shipping_method tms tva_npr warehouse_id
        """,
        (22,): """
        civility_code contacts_ids_internal multicurrency_subprice_ttc packaging revenuestamp
        subprice_ttc totalpaid
        """,
    },
    values={
        "array_options": [],
        "linkedObjectsFullLoaded": [],
        "validateFieldsErrors": [],
        "specimen": 0,
        "extraparams": [],
        "ref_ext": "",
        "product_desc": "",
        "vat_src_code": "",
        "total_localtax1": "0.00000000",
        "total_localtax2": "0.00000000",
        "localtax1_tx": "0.0000",
        "localtax2_tx": "0.0000",
        "localtax1_type": "0",
        "localtax2_type": "0",
        "pa_ht": "0.00000000",
        "marge_tx": "",
        "special_code": "0",
        "fk_accounting_account": "0",
        "fk_code_ventilation": 0,
        "code_ventilation": "0",
        "date_start": "",
        "date_end": "",
        "situation_percent": "100",
        "parent_element": "",
        "fk_parent_attribute": "",
        "batch": "",
        "fk_warehouse": "0",
    },
)

THIRDPARTY = Shape(
    everywhere="""
    accountancy_code_buy accountancy_code_customer accountancy_code_sell
    accountancy_code_supplier address array_languages array_options bank_account barcode
    barcode_type barcode_type_coder canvas capital civility_id client code_client code_compta
    code_compta_client code_compta_fournisseur code_compta_product code_fournisseur
    cond_reglement_id cond_reglement_supplier_id contact_id contacts_ids country_code country_id
    date_cloture date_creation date_modification date_validation default_lang demand_reason_id
    deposit_percent effectif effectif_id email entity fax firstname fk_account fk_incoterms
    fk_multicurrency fk_project fk_prospectlevel fk_warehouse forme_juridique
    forme_juridique_code fournisseur id idprof1 idprof2 idprof3 idprof4 idprof5 idprof6
    import_key label_incoterms last_main_doc lastname linkedObjectsIds localtax1_assuj
    localtax1_value localtax2_assuj localtax2_value location_incoterms logo logo_mini logo_small
    logo_squarred logo_squarred_mini logo_squarred_small managers mode_reglement_id
    mode_reglement_supplier_id multicurrency_code name name_alias note_private note_public
    order_min_amount origin_id outstanding_limit parent partnerships phone price_level prospect
    ref ref_ext region_id remise_percent remise_supplier_percent shipping_method_id
    socialnetworks specimen state_id status status_prospect_label statut stcomm_id stcomm_picto
    supplier_order_min_amount town transport_mode_id transport_mode_supplier_id tva_assuj
    tva_intra typent_code typent_id url user user_author user_closing_id user_creation
    user_creation_id user_modification user_modification_id user_valid user_validation
    user_validation_id webservices_key webservices_url zip
    """,
    only={
        (16,): """
        ape fk_bank fk_projet linkedObjectsFullLoaded linked_objects model_pdf origin siren siret
        validateFieldsErrors
        """,
        (20, 22): """
        SupplierCategories actiontypecode extraparams facebook fk_user_creat fk_user_modif idprof10
        idprof7 idprof8 idprof9 linkedin module multicurrency_total_ht multicurrency_total_localtax1
        multicurrency_total_localtax2 multicurrency_total_ttc multicurrency_total_tva
        multicurrency_tx no_email origin_type phone_mobile prefixCustomerIsRequired product
        retained_warranty_fk_cond_reglement shipping_method skype socialobject tms twitter
        vat_reverse_charge warehouse_id
        """,
        (22,): """
        accountancy_code_customer_general accountancy_code_supplier_general civility_code
        contacts_ids_internal currency_code ip termsofsale totalpaid
        """,
    },
    values={
        "module": "societe",
        "linkedObjectsFullLoaded": [],
        "validateFieldsErrors": [],
        "model_pdf": "",
        "fk_account": "0",
        "specimen": 0,
        "name_alias": "",
        "address": "",
        "socialnetworks": [],
        "idprof1": "",
        "idprof2": "",
        "idprof3": "",
        "idprof4": "",
        "idprof5": "",
        "idprof6": "",
        "tva_intra": "",
        "localtax1_value": "0.0000",
        "localtax2_value": "0.0000",
        "typent_id": "0",
        "effectif": "",
        "forme_juridique": "",
        "remise_percent": 0,
        "remise_supplier_percent": "0",
        "fk_prospectlevel": "",
        "prospect": 0,
        "fournisseur": "0",
        "stcomm_id": "0",
        "accountancy_code_sell": "",
        "status_prospect_label": "Never contacted",
        "accountancy_code_buy": "",
        "fk_multicurrency": "0",
        "multicurrency_code": "",
        "partnerships": [],
        "fk_incoterms": "0",
        "extraparams": [],
        "SupplierCategories": [],
        "vat_reverse_charge": 0,
        "tva_assuj": "1",
    },
)

PRODUCT = Shape(
    everywhere="""
    accountancy_code_buy accountancy_code_buy_export accountancy_code_buy_intra
    accountancy_code_sell accountancy_code_sell_export accountancy_code_sell_intra
    array_languages array_options barcode barcode_type barcode_type_coder batch_mask canvas
    contacts_ids cost_price country_code country_id customcode date_cloture date_creation
    date_modification date_validation default_vat_code description desiredstock duration
    duration_unit duration_value entity finished fk_default_bom fk_default_warehouse
    fk_price_expression fk_unit height height_units id import_key is_object_used label
    last_main_doc length length_units lifetime linkedObjectsIds localtax1_tx localtax1_type
    localtax2_tx localtax2_type mandatory_period multilangs multiprices multiprices_base_type
    multiprices_min multiprices_min_ttc multiprices_ttc multiprices_tva_tx net_measure
    net_measure_units note_private note_public other pmp price price_autogen price_base_type
    price_min price_min_ttc price_ttc prices_by_qty prices_by_qty_list qc_frequency ref ref_ext
    region_id seuil_stock_alerte specimen state_id status status_batch status_buy stock_reel
    stock_theorique stock_warehouse surface surface_units total_ht total_localtax1
    total_localtax2 total_ttc total_tva tva_tx type url user_author user_closing_id
    user_creation user_creation_id user_modification user_modification_id user_valid
    user_validation user_validation_id volume volume_units weight weight_units width width_units
    """,
    only={
        (16,): """
        fk_projet linkedObjectsFullLoaded linked_objects validateFieldsErrors
        """,
        (20, 22): """
        actiontypecode buyprice cond_reglement_supplier_id default_vat_code_supplier deposit_percent
        desc_supplier extraparams fk_default_workstation fk_multicurrency fk_user_creat
        fk_user_modif fourn_multicurrency_code fourn_multicurrency_id fourn_multicurrency_price
        fourn_multicurrency_tx fourn_multicurrency_unitprice fourn_qty is_sousproduit_incdec
        is_sousproduit_qty level module multicurrency_code multicurrency_total_ht
        multicurrency_total_localtax1 multicurrency_total_localtax2 multicurrency_total_ttc
        multicurrency_total_tva multicurrency_tx multiprices_default_vat_code origin_type packaging
        price_formated price_label price_ttc_formated product product_fourn_price_id remise_percent
        res retained_warranty_fk_cond_reglement sell_or_eat_by_mandatory shipping_method sousprods
        stats_bom stats_expedition stats_facture_fournisseur stats_facturerec stats_mo
        stats_proposal_supplier tms tobatch tobuy tosell vatrate_supplier warehouse_id
        """,
        (22,): """
        civility_code contacts_ids_internal stats_facturefournrec stockable_product totalpaid
        """,
    },
    values={
        "linkedObjectsFullLoaded": [],
        "validateFieldsErrors": [],
        "canvas": "",
        "country_code": "",
        "specimen": 0,
        "description": "",
        "price_min": "0.00000000",
        "price_min_ttc": "0.00000000",
        "multiprices": [],
        "multiprices_ttc": [],
        "multiprices_base_type": [],
        "multiprices_min": [],
        "multiprices_min_ttc": [],
        "multiprices_tva_tx": [],
        "prices_by_qty": [],
        "prices_by_qty_list": [],
        "multilangs": [],
        "localtax1_tx": "0.0000",
        "localtax2_tx": "0.0000",
        "localtax1_type": "0",
        "localtax2_type": "0",
        "pmp": "0.00000000",
        "seuil_stock_alerte": "0",
        "desiredstock": "0",
        "duration_value": 0,
        "status_batch": "0",
        "batch_mask": "",
        "customcode": "",
        "accountancy_code_sell": "",
        "accountancy_code_sell_intra": "",
        "accountancy_code_sell_export": "",
        "accountancy_code_buy": "",
        "accountancy_code_buy_intra": "",
        "accountancy_code_buy_export": "",
        "stock_warehouse": [],
        "price_autogen": "0",
        "mandatory_period": "0",
        "duration": "",
        "extraparams": [],
        "multiprices_default_vat_code": [],
        "sell_or_eat_by_mandatory": "0",
        "stats_proposal_supplier": [],
        "stats_expedition": [],
        "stats_mo": [],
        "stats_bom": [],
        "stats_facturerec": [],
        "stats_facture_fournisseur": [],
        "stats_facturefournrec": [],
        "stockable_product": "1",
    },
)

DISCOUNT = Shape(
    everywhere="""
    amount_ht amount_ttc amount_tva datec description discount_type fk_facture fk_facture_line
    fk_facture_source fk_invoice_supplier fk_invoice_supplier_line fk_invoice_supplier_source
    fk_soc fk_user id multicurrency_amount_ht multicurrency_amount_ttc multicurrency_amount_tva
    multicurrency_subprice multicurrency_total_ht multicurrency_total_ttc
    multicurrency_total_tva ref_facture_source ref_invoice_supplier_source total_ht total_ttc
    total_tva tva_tx type_facture_source type_invoice_supplier_source vat_src_code
    """,
    only={
        (20, 22): """
        actiontypecode array_languages array_options barcode_type barcode_type_coder canvas
        civility_id cond_reglement_id cond_reglement_supplier_id contact_id contacts_ids
        country_code country_id date_cloture date_creation date_modification date_validation
        demand_reason_id deposit_percent entity extraparams firstname fk_account fk_multicurrency
        fk_project fk_user_creat fk_user_modif import_key last_main_doc lastname lines
        linkedObjectsIds mode_reglement_id module multicurrency_code multicurrency_total_localtax1
        multicurrency_total_localtax2 multicurrency_tx name note_private note_public origin_id
        origin_type product ref ref_ext region_id retained_warranty_fk_cond_reglement
        shipping_method shipping_method_id socid specimen state_id status statut tms total_localtax1
        total_localtax2 transport_mode_id user user_author user_closing_id user_creation
        user_creation_id user_modification user_modification_id user_valid user_validation
        user_validation_id warehouse_id
        """,
        (22,): """
        civility_code contacts_ids_internal totalpaid
        """,
    },
    values={"array_options": [], "specimen": 0, "extraparams": [], "vat_src_code": ""},
)

ORDER = Shape(
    everywhere="""
    array_languages array_options availability availability_code availability_id billed
    canvas civility_id cond_reglement_code cond_reglement_doc cond_reglement_id contact_id
    contactid contacts_ids country_code country_id date date_cloture date_commande
    date_creation date_modification date_validation delivery_date demand_reason_code
    demand_reason_id deposit_percent entity expeditions extraparams firstname fk_account
    fk_incoterms fk_multicurrency fk_project fk_remise_except id import_key label_incoterms
    last_main_doc lastname lines linkedObjectsIds location_incoterms mode_reglement_code
    mode_reglement_id module_source multicurrency_code multicurrency_total_ht
    multicurrency_total_ttc multicurrency_total_tva multicurrency_tx name note_private
    note_public online_payment_url origin_id pos_source ref ref_client ref_customer ref_ext
    region_id remise_percent shipping_method_id socid source specimen state_id status statut
    total_ht total_localtax1 total_localtax2 total_ttc total_tva transport_mode_id user
    user_author user_author_id user_closing_id user_creation user_creation_id
    user_modification user_modification_id user_valid user_validation user_validation_id
    warehouse_id
    """,
    only={
        (16,): """
        brouillon date_livraison fk_bank fk_projet info_bits linkedObjectsFullLoaded
        linked_objects model_pdf origin rang remise remise_absolue special_code
        validateFieldsErrors
        """,
        (20, 22): """
        actiontypecode code cond_reglement_supplier_id date_lim_reglement fk_user_creat
        fk_user_modif line module multicurrency_total_localtax1
        multicurrency_total_localtax2 origin_type product
        retained_warranty_fk_cond_reglement shipping_method tms
        """,
    },
    values={
        "array_options": [],
        "contacts_ids": [],
        "extraparams": [],
        "linked_objects": [],
        "linkedObjectsFullLoaded": [],
        "validateFieldsErrors": [],
        "specimen": 0,
    },
)

SHIPMENT = Shape(
    everywhere="""
    array_languages array_options billed civility_id cond_reglement_id contact_id
    contacts_ids country_code country_id date date_cloture date_creation date_delivery
    date_expedition date_modification date_shipping date_valid date_validation
    demand_reason_id depth_units entity entrepot_id firstname fk_account fk_incoterms
    fk_multicurrency fk_project height_units id import_key label_incoterms last_main_doc
    lastname lines linkedObjectsIds listmeths location_incoterms meths mode_reglement_id
    multicurrency_code multicurrency_subprice multicurrency_total_ht multicurrency_total_ttc
    multicurrency_total_tva name note_private note_public origin_id ref ref_client
    ref_customer ref_ext region_id shipping_method shipping_method_id size_units socid
    specimen state_id status statut total_ht total_localtax1 total_localtax2 total_ttc
    total_tva tracking_number tracking_url transport_mode_id trueDepth trueHeight trueSize
    trueWeight trueWidth user user_author user_author_id user_closing_id user_creation
    user_creation_id user_modification user_modification_id user_valid user_validation
    user_validation_id weight_units width_units
    """,
    only={
        (16,): """
        brouillon canvas fk_bank fk_projet linkedObjectsFullLoaded linked_objects model_pdf
        origin validateFieldsErrors
        """,
        (20, 22): """
        actiontypecode commande commande_id cond_reglement_supplier_id deposit_percent
        extraparams fk_user_author fk_user_creat fk_user_modif livraison_id module
        multicurrency_total_localtax1 multicurrency_total_localtax2 multicurrency_tx
        origin_type product retained_warranty_fk_cond_reglement signed_status sizeH sizeS
        sizeW tms warehouse_id weight
        """,
    },
    values={
        "array_options": [],
        "contacts_ids": [],
        "extraparams": [],
        "linked_objects": [],
        "linkedObjectsFullLoaded": [],
        "validateFieldsErrors": [],
        "specimen": 0,
    },
)
